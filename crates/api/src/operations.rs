//! The way from a request to its operation: as short as its parameters allow.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint, Request, Response};
use poem_openapi::OpenApi;

use crate::document::{Apis, apis};
use crate::endpoints::Endpoints;

/// Calls the operation that a request is for.
///
/// An operation without parameters is called at once. Everything else goes through the routers of poem and poem-openapi,
/// which read address and query for it; each of their layers moves the request once more, which together costs as much
/// as reading and answering it.
pub(crate) struct Operations<R> {
    direct: HashMap<String, HashMap<Method, BoxEndpoint<'static>>>,
    routed: R,
    endpoints: Arc<Endpoints>,
}

impl<R> Operations<R> {
    /// The operations of the document, and `routed` for whatever is not called directly.
    pub(crate) fn new(endpoints: Endpoints, routed: R) -> Self {
        let mut all = HashMap::new();
        apis().add_routes(&mut all);
        let mut direct: HashMap<_, HashMap<_, _>> = HashMap::new();
        for path in Apis::meta().into_iter().flat_map(|api| api.paths) {
            let Some(mut methods) = all.remove(&path.path) else { continue };
            for operation in path.operations.iter().filter(|it| it.params.is_empty()) {
                if let Some((method, endpoint)) = methods.remove_entry(&operation.method) {
                    direct.entry(path.path.clone()).or_default().insert(method, endpoint);
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
        let methods = self.direct.get(request.uri().path());
        match methods.and_then(|methods| methods.get(request.method())) {
            Some(operation) => operation.call(request).await,
            None => self.routed.call(request).await,
        }
    }
}

impl<R> fmt::Debug for Operations<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").field("direct", &self.direct.keys()).finish_non_exhaustive()
    }
}
