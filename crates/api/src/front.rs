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
use crate::contract::Contract;
use crate::log_budget::{LogBudget, Verdict};
use crate::metrics::Requests;
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
    admission: Admission,
    log: LogBudget,
    requests: Arc<Requests>,
}

impl<E: Endpoint<Output = Response>> Front<E> {
    pub(crate) fn new(inner: E, contract: Contract, requests: Arc<Requests>) -> Self {
        Self { inner, contract, admission: Admission::default(), log: LogBudget::new(), requests }
    }

    /// Calls the endpoint; an error becomes a problem.
    async fn answer(&self, mut request: Request) -> Result<Response, Problem> {
        request.extensions_mut().insert(Arrived(Utc::now()));
        authority::check(&request)?;
        let _admitted = self.admission.of(&request)?;
        let query = self.contract.check_query(&request);
        if query.is_err() || !self.contract.reads_body(&request) {
            let body = request.take_body();
            throw_away(&request, body).await;
        }
        query?;
        let uri = request.uri().clone();
        self.inner.call(request).await.map_err(|error| self.to_problem(error, uri.path()))
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
        cause: Option<&str>,
    ) {
        if status.is_success() {
            if !enabled!(Level::DEBUG) {
                return;
            }
        } else {
            match self.log.ask(Instant::now()) {
                Verdict::LeaveOut => return,
                Verdict::Write { left_out: 0 } => {}
                Verdict::Write { left_out } => {
                    warn!(left_out, "too many requests failed for a line each");
                }
            }
        }
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

    async fn call(&self, request: Request) -> poem::Result<Self::Output> {
        let started = Instant::now();
        let request_id = request_id::of(&request);
        let method = request.method().clone();
        let uri = request.uri().clone();
        let in_work = self.requests.begin(&method, self.contract.place(uri.path()), started);

        let answered = AssertUnwindSafe(self.answer(request)).catch_unwind().await;
        let answered = answered
            .unwrap_or_else(|_panic| Err(Problem::internal("answering the request panicked")));
        let cause = answered.as_ref().err().and_then(Problem::cause);
        let elapsed = started.elapsed().as_secs_f64();
        let status = answered.as_ref().map_or_else(Problem::status, Response::status);
        in_work.answered(status, elapsed);
        self.log(&method, &uri, status, elapsed * 1_000.0, &request_id, cause.as_deref());

        let mut response = answered.unwrap_or_else(IntoResponse::into_response);
        if method == Method::HEAD {
            response.set_body(());
        }
        response.headers_mut().insert(&request_id::HEADER, request_id);
        Ok(response)
    }
}
