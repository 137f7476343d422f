//! What every request passes: its arrival is noted, its errors take one shape, and it leaves one line in the log.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Endpoint, Error, IntoResponse, Request, Response};
use tracing::{info, warn};

use crate::contract::Contract;
use crate::problem::Problem;
use crate::request_id;
use crate::strict::throw_away;

/// When a request arrived, on the wall clock: the timestamp of its records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived(pub(crate) DateTime<Utc>);

/// The outermost endpoint.
#[derive(Debug)]
pub(crate) struct Front<E> {
    inner: E,
    contract: Contract,
}

impl<E: Endpoint<Output = Response>> Front<E> {
    pub(crate) fn new(inner: E, contract: Contract) -> Self {
        Self { inner, contract }
    }

    /// Calls the endpoint; an error or a panic becomes a problem.
    async fn answer(&self, mut request: Request) -> Result<Response, Problem> {
        let query = self.contract.check_query(&request);
        if query.is_err() || !self.contract.reads_body(&request) {
            let body = request.take_body();
            throw_away(&request, body).await;
        }
        query?;
        let path = request.uri().path().to_owned();
        match AssertUnwindSafe(self.inner.call(request)).catch_unwind().await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.to_problem(error, &path)),
            Err(_panic) => Err(Problem::internal("the handler of the request panicked")),
        }
    }

    fn to_problem(&self, error: Error, path: &str) -> Problem {
        let problem = Problem::from_poem(error, self.contract.path_parameter(path));
        if problem.status() == StatusCode::METHOD_NOT_ALLOWED {
            problem.with_allow(self.contract.allow(path))
        } else {
            problem
        }
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Front<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Self::Output> {
        let started = Instant::now();
        request.extensions_mut().insert(Arrived(Utc::now()));
        let request_id = request_id::of(&request);
        let method = request.method().clone();
        let path: String = request.uri().path().chars().take(200).collect();

        let answered = self.answer(request).await;
        let cause = answered.as_ref().err().and_then(Problem::cause);
        let elapsed_ms = started.elapsed().as_secs_f64() * 1_000.0;
        let status = answered.as_ref().map_or_else(Problem::status, Response::status);
        log(&method, &path, status, elapsed_ms, &request_id, cause.as_deref());

        let mut response = answered.unwrap_or_else(IntoResponse::into_response);
        if method == Method::HEAD {
            response.set_body(());
        }
        if let Ok(value) = HeaderValue::try_from(request_id) {
            response.headers_mut().insert(request_id::HEADER, value);
        }
        Ok(response)
    }
}

/// One line per request; it never holds what was sent.
fn log(
    method: &Method,
    path: &str,
    status: StatusCode,
    elapsed_ms: f64,
    request_id: &str,
    cause: Option<&str>,
) {
    let status = status.as_u16();
    match cause {
        Some(cause) => {
            warn!(%method, path, status, elapsed_ms, request_id, cause, "request failed");
        }
        None => info!(%method, path, status, elapsed_ms, request_id, "request"),
    }
}
