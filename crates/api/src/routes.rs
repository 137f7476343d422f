//! The routes: the documented operations, the document itself, and the page to try them on.

use bytes::Bytes;
use poem::endpoint::make_sync;
use poem::http::HeaderValue;
use poem::{Endpoint, EndpointExt, Response, Route, get};

use crate::contract::Contract;
use crate::document::{Document, SwaggerUi, service};
use crate::endpoints::Endpoints;
use crate::front::Front;
use crate::guard::Guard;
use crate::headers::{NOTHING, protect_page};
use crate::operations::Operations;

/// What is served beside the operations: it holds no data.
pub(crate) const PAGES: &[&str] = &["/docs", "/openapi.json", "/openapi.yaml"];

/// Everything that is served, as one endpoint that answers every request in the service's own form.
pub(crate) fn routes(
    endpoints: Endpoints,
    document: &Document,
    guard: Guard,
) -> anyhow::Result<impl Endpoint<Output = Response> + 'static> {
    let contract = Contract::of(document, PAGES)?;
    let docs = SwaggerUi::of(document)?;
    let json = document.json().to_owned();
    let yaml = document.yaml().to_owned();
    let routes = Route::new()
        .at("/docs", page("text/html; charset=utf-8", docs.policy, docs.html))
        .at("/openapi.json", page("application/json", NOTHING, json))
        .at("/openapi.yaml", page("application/yaml", NOTHING, yaml))
        .nest("/", service())
        .map_to_response();
    let requests = endpoints.metrics.requests();
    let operations = Operations::new(endpoints, routes);
    Ok(Front::new(operations, contract, guard, requests))
}

/// A page that is always the same, under this policy.
fn page(content_type: &'static str, policy: HeaderValue, text: String) -> impl Endpoint {
    let text = Bytes::from(text);
    get(make_sync(move |_| {
        let mut page = Response::builder().content_type(content_type).body(text.clone());
        protect_page(page.headers_mut(), policy.clone());
        page
    }))
}
