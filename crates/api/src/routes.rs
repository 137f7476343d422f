//! The routes: the documented operations, the document itself, and the page to try them on.

use bytes::Bytes;
use poem::endpoint::make_sync;
use poem::http::header;
use poem::{Endpoint, EndpointExt, Response, Route, get};

use crate::contract::Contract;
use crate::document::{Document, service};
use crate::endpoints::Endpoints;
use crate::front::Front;
use crate::operations::Operations;

/// Everything that is served, as one endpoint that answers every request in the service's own form.
pub(crate) fn routes(
    endpoints: Endpoints,
    document: &Document,
) -> anyhow::Result<impl Endpoint<Output = Response> + 'static> {
    let contract = Contract::of(document)?;
    let routes = Route::new()
        .at("/docs", page("text/html; charset=utf-8", document.swagger_ui()?))
        .at("/openapi.json", page("application/json", document.json().to_owned()))
        .at("/openapi.yaml", page("application/yaml", document.yaml().to_owned()))
        .nest("/", service())
        .map_to_response();
    let requests = endpoints.metrics.requests();
    let operations = Operations::new(endpoints, routes);
    Ok(Front::new(operations, contract, requests))
}

/// A page that is always the same.
fn page(content_type: &'static str, text: String) -> impl Endpoint {
    let text = Bytes::from(text);
    get(make_sync(move |_| {
        Response::builder()
            .content_type(content_type)
            .header(header::CACHE_CONTROL, "no-cache")
            .body(text.clone())
    }))
}
