//! The way from a request to its operation: as short as its parameters allow.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint, Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::registry::MetaParamIn;

use crate::document::{Apis, apis};
use crate::endpoints::Endpoints;

/// Calls the operation that a request is for.
///
/// An operation without parameters in its address or query is called at once. Everything else goes through the routers of poem and poem-openapi,
/// which read address and query for it; each of their layers moves the request once more, which together costs as much
/// as reading and answering it.
pub(crate) struct Operations<R> {
    direct: Vec<Direct>,
    routed: R,
    endpoints: Arc<Endpoints>,
}

/// An operation that is called directly.
struct Direct {
    path: String,
    method: Method,
    endpoint: BoxEndpoint<'static>,
}

impl<R> Operations<R> {
    /// The operations of the document, and `routed` for whatever is not called directly.
    pub(crate) fn new(endpoints: Endpoints, routed: R) -> Self {
        let mut all = HashMap::new();
        apis().add_routes(&mut all);
        let mut direct = Vec::new();
        for path in Apis::meta().into_iter().flat_map(|api| api.paths) {
            let Some(mut methods) = all.remove(&path.path) else { continue };
            let direct_ones = path.operations.iter().filter(|it| {
                it.params.iter().all(|parameter| parameter.in_type == MetaParamIn::Header)
            });
            for operation in direct_ones {
                if let Some((method, endpoint)) = methods.remove_entry(&operation.method) {
                    direct.push(Direct { path: path.path.clone(), method, endpoint });
                }
            }
        }
        Self { direct, routed, endpoints: Arc::new(endpoints) }
    }
}

impl<R: Endpoint<Output = Response>> Endpoint for Operations<R> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        request.extensions_mut().insert(Arc::clone(&self.endpoints));
        // A handful, the likeliest first.
        let (method, path) = (request.method(), request.uri().path());
        match self.direct.iter().find(|it| it.path == path && it.method == *method) {
            Some(operation) => operation.endpoint.call(request).await,
            None => self.routed.call(request).await,
        }
    }
}

impl<R> fmt::Debug for Operations<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations")
            .field("direct", &self.direct.iter().map(|it| &it.path).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
