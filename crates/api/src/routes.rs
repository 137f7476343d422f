//! The routes: the documented operations, the document itself, and the page to try them on.

use std::sync::Arc;

use poem::endpoint::make_sync;
use poem::{Endpoint, EndpointExt, Request, Response, Route, get};

use crate::contract::Contract;
use crate::cors::Cors;
use crate::document::{Document, SwaggerUi, service};
use crate::endpoints::Endpoints;
use crate::front::Front;
use crate::guard::Guard;
use crate::headers::NOTHING;
use crate::operations::Operations;
use crate::page::Page;

/// What is served beside the operations: it holds no data.
pub(crate) const PAGES: &[&str] = &["/docs", "/openapi.json", "/openapi.yaml"];

/// Everything that is served, as one endpoint that answers every request in the service's own form.
pub(crate) fn routes(
    endpoints: Endpoints,
    document: &Document,
    guard: Guard,
    cors: Cors,
) -> anyhow::Result<impl Endpoint<Output = Response> + 'static> {
    let contract = Contract::of(document, PAGES)?;
    let docs = SwaggerUi::of(document, guard.asks_for_keys())?;
    let docs = Page::new("text/html; charset=utf-8", docs.policy, docs.html)?;
    let json = Page::new("application/json", NOTHING, document.json().to_owned())?;
    let yaml = Page::new("application/yaml", NOTHING, document.yaml().to_owned())?;
    let routes = Route::new()
        .at("/docs", served(docs))
        .at("/openapi.json", served(json))
        .at("/openapi.yaml", served(yaml))
        .nest("/", service())
        .map_to_response();
    let requests = endpoints.metrics.requests();
    let draining = Arc::clone(&endpoints.draining);
    let operations = Operations::new(endpoints, routes);
    Ok(Front::new(operations, contract, guard, cors, requests, draining))
}

/// A page, as an endpoint.
fn served(page: Page) -> impl Endpoint {
    get(make_sync(move |request: Request| page.answer(request.headers())))
}
