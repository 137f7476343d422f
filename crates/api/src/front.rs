//! What every request passes: its arrival is noted, its errors take one shape, and it leaves one line in the log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use poem::http::{HeaderValue, Method, StatusCode, Uri};
use poem::{Endpoint, Error, IntoResponse, Request, Response};
use tracing::{Level, debug, enabled, info, warn};

use crate::admission::Admission;
use crate::authority;
use crate::contract::{Contract, Operation, Place};
use crate::guard::Guard;
use crate::headers;
use crate::log_budget::{Class, LogBudget};
use crate::metrics::Requests;
use crate::problem::Problem;
use crate::request_id;
use crate::strict::throw_away;

/// How many requests that are not let in may have their bodies thrown away at once.
const TURNED_AWAY: usize = 1_024;

/// When a request arrived, on the wall clock: the timestamp of its records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived(pub(crate) DateTime<Utc>);

/// The outermost endpoint.
#[derive(Debug)]
pub(crate) struct Front<E> {
    inner: E,
    contract: Contract,
    guard: Guard,
    admission: Admission,
    turned_away: Admission,
    log: Arc<LogBudget>,
    requests: Arc<Requests>,
}

impl<E: Endpoint<Output = Response>> Front<E> {
    pub(crate) fn new(inner: E, contract: Contract, guard: Guard, requests: Arc<Requests>) -> Self {
        let turned_away = Admission::to(TURNED_AWAY);
        let (admission, log) = (Admission::default(), Arc::new(LogBudget::new()));
        Self { inner, contract, guard, admission, turned_away, log, requests }
    }

    /// Calls the endpoint; an error becomes a problem.
    async fn answer(&self, mut request: Request, place: Place<'_>) -> Result<Response, Problem> {
        let arrived = Utc::now();
        request.extensions_mut().insert(Arrived(arrived));
        authority::check(&request)?;
        if let Place::Operation(Operation { scopes: Some(scopes), .. }) = place
            && let Err(refused) = self.guard.admit(&mut request, *scopes, arrived)
        {
            return Err(self.turn_away(request, refused).await);
        }
        let _admitted = self.admission.of(&request)?;
        let (query, reads_body) = match place {
            Place::Operation(operation) => (operation.check_query(&request), operation.reads_body),
            Place::Page | Place::WrongMethod(_) | Place::Nowhere => (Ok(()), false),
        };
        if query.is_err() || !reads_body {
            let body = request.take_body();
            throw_away(&request, body).await;
        }
        query?;
        match place {
            // Nothing that was not looked up here is routed.
            Place::WrongMethod(allowed) => return Err(Problem::wrong_method(allowed)),
            Place::Nowhere => return Err(Problem::nowhere()),
            Place::Operation(_) | Place::Page => {}
        }
        let uri = request.uri().clone();
        self.inner.call(request).await.map_err(|error| self.to_problem(error, uri.path()))
    }

    /// Throws away the body of a request that is not let in; where there are too many such, the connection ends instead.
    /// They take no room of those that are let in.
    async fn turn_away(&self, mut request: Request, refused: Problem) -> Problem {
        let Ok(_room) = self.turned_away.of(&request) else { return refused.closing() };
        let body = request.take_body();
        throw_away(&request, body).await;
        refused
    }

    /// One line per request that failed, as far as the budget goes; it never holds what was sent.
    ///
    /// A request that succeeds is on the record, and a line for each costs a fifth of the throughput: they are for debugging.
    fn log(
        &self,
        method: &Method,
        uri: &Uri,
        status: StatusCode,
        elapsed_ms: f64,
        request_id: &HeaderValue,
        problem: Option<&Problem>,
    ) {
        if status.is_success() {
            if !enabled!(Level::DEBUG) {
                return;
            }
        } else if !self.log.allows(Class::of(status, problem), status) {
            return;
        }
        let cause = problem.and_then(Problem::cause);
        let path: String = uri.path().chars().take(200).collect();
        let request_id = request_id.to_str().unwrap_or_default();
        let code = status.as_u16();
        match cause {
            Some(cause) => {
                warn!(%method, path, status = code, elapsed_ms, request_id, cause, "request failed");
            }
            None if status.is_success() => {
                debug!(%method, path, status = code, elapsed_ms, request_id, "request");
            }
            None => info!(%method, path, status = code, elapsed_ms, request_id, "request"),
        }
    }

    fn to_problem(&self, error: Error, path: &str) -> Problem {
        Problem::from_poem(error, self.contract.path_parameter(path))
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Front<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Self::Output> {
        let started = Instant::now();
        let request_id = request_id::of(&request);
        let method = request.method().clone();
        let uri = request.uri().clone();
        let (route, place) = self.contract.place(&request);
        let in_work = self.requests.begin(&method, route, started);

        let answered = AssertUnwindSafe(self.answer(request, place)).catch_unwind().await;
        let answered = answered
            .unwrap_or_else(|_panic| Err(Problem::internal("answering the request panicked")));
        let elapsed = started.elapsed().as_secs_f64();
        let status = answered.as_ref().map_or_else(Problem::status, Response::status);
        in_work.answered(status, elapsed);
        self.log(&method, &uri, status, elapsed * 1_000.0, &request_id, answered.as_ref().err());

        let mut response = answered.unwrap_or_else(IntoResponse::into_response);
        if method == Method::HEAD {
            response.set_body(());
        }
        response.headers_mut().insert(&request_id::HEADER, request_id);
        headers::protect(response.headers_mut());
        Ok(response)
    }
}
