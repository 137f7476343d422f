//! What every request passes: its arrival is noted, its errors take one shape, and it leaves one line in the log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, TryFutureExt};
use poem::http::{HeaderValue, Method, StatusCode, Uri, header};
use poem::{Endpoint, Error, IntoResponse, Request, Response};
use tracing::{Level, debug, enabled, info, warn};

use crate::admission::{Admission, Places};
use crate::authority;
use crate::compression::{accepts_gzip, compress};
use crate::contract::{Contract, Operation, Place};
use crate::cors::{self, Cors};
use crate::framing;
use crate::guard::{Caller, Guard};
use crate::headers;
use crate::log_budget::{Class, LogBudget};
use crate::metrics::Requests;
use crate::moved;
use crate::problem::Problem;
use crate::request_id;
use crate::server::Client;
use crate::strict::{Room, Unwanted};
use crate::telemetry;

/// How many requests that are not let in may have their bodies received and thrown away at once.
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
    cors: Cors,
    admission: Admission,
    turned_away: Places,
    log: Arc<LogBudget>,
    requests: Arc<Requests>,
    draining: Arc<AtomicBool>,
}

impl<E: Endpoint<Output = Response>> Front<E> {
    pub(crate) fn new(
        inner: E,
        contract: Contract,
        guard: Guard,
        cors: Cors,
        requests: Arc<Requests>,
        draining: Arc<AtomicBool>,
    ) -> Self {
        let turned_away = Places::up_to(TURNED_AWAY);
        let (admission, log) = (Admission::default(), Arc::new(LogBudget::new()));
        Self { inner, contract, guard, cors, admission, turned_away, log, requests, draining }
    }

    /// Calls the endpoint; an error becomes a problem.
    async fn answer(
        &self,
        mut request: Request,
        place: Place<'_>,
        is_of_page: bool,
    ) -> Result<Response, Problem> {
        let arrived = Utc::now();
        request.extensions_mut().insert(Arrived(arrived));
        authority::check(&request)?;
        framing::check(&request)?;
        self.guard.check_name(&request)?;
        if is_of_page && cors::is_preflight(&request) {
            return Ok(cors::preflight());
        }
        // Each future that holds a request makes this one larger, and every request pays for moving it: the futures that are
        // seldom needed are in boxes.
        let Place::Operation(operation @ Operation { scopes: Some(scopes), .. }) = place else {
            return Box::pin(self.answer_anybody(request, place)).await;
        };
        if let Err(refused) = self.guard.admit(&mut request, *scopes, arrived) {
            return Err(Box::pin(self.turn_away(request, refused)).await);
        }
        let extensions = request.extensions();
        if let Some(client) = extensions.get::<Client>() {
            client.was_let_in();
        }
        let caller = extensions.get::<Caller>().map(|Caller(key)| *key);
        let _admitted = self.admission.of(caller)?;
        let _room = Room::of_head(request.headers())
            .ok_or_else(|| Problem::overloaded("the heads of too many requests are in memory"))?;
        let query = operation.check_query(&request);
        if query.is_err() || !operation.reads_body {
            Unwanted::of(&mut request).throw_away().await;
        }
        query?;
        self.call(request).await
    }

    /// Answers what takes no key. Nothing here waits for the database, or takes a place of those that were let in.
    async fn answer_anybody(
        &self,
        mut request: Request,
        place: Place<'_>,
    ) -> Result<Response, Problem> {
        let body = Unwanted::of(&mut request);
        let answered = match place {
            // Nothing that was not looked up here is routed.
            Place::WrongMethod(allowed) => Err(Problem::wrong_method(allowed)),
            Place::Nowhere => moved::answer(&self.contract, &request),
            Place::Operation(operation) => match operation.check_query(&request) {
                Ok(()) => self.call(request).await,
                Err(problem) => Err(problem),
            },
            Place::Page => self.call(request).await,
        };
        if self.throw_away(body).await {
            return answered;
        }
        answered.map(closing).map_err(Problem::closing)
    }

    /// Turns away a request that is not let in.
    async fn turn_away(&self, mut request: Request, refused: Problem) -> Problem {
        let body = Unwanted::of(&mut request);
        // Its head takes memory.
        drop(request);
        if self.throw_away(body).await { refused } else { refused.closing() }
    }

    /// Throws away the body of a request that is answered without having been let in. Where there are too many such
    /// bodies, the connection must end instead.
    async fn throw_away(&self, body: Unwanted) -> bool {
        if body.is_nothing() {
            return true;
        }
        let Some(_place) = self.turned_away.take() else { return false };
        body.throw_away().await;
        true
    }

    /// Calls the operation. As a function that is not `async`, it does not hold the request a second time.
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Problem>> + Send {
        let uri = request.uri().clone();
        let called = self.inner.call(request);
        called.map_err(move |error| self.to_problem(error, uri.path()))
    }

    /// One line per request that failed, as far as the budget goes; it never holds what was sent.
    ///
    /// A request that succeeds is on the record, and a line for each costs a fifth of the throughput: they are for debugging, and
    /// for who watches a terminal.
    fn log(
        &self,
        method: &Method,
        uri: &Uri,
        status: StatusCode,
        elapsed_ms: f64,
        request_id: &HeaderValue,
        problem: Option<&Problem>,
    ) {
        let is_well = status.is_success() || status.is_redirection();
        if is_well {
            if !telemetry::is_watched() && !enabled!(Level::DEBUG) {
                return;
            }
        } else if !self.log.allows(Class::of(status, problem), status) {
            return;
        }
        let cause = problem.and_then(Problem::cause);
        let reason = problem.map(Problem::reason).unwrap_or_default();
        let path: String = uri.path().chars().take(200).collect();
        let request_id = request_id.to_str().unwrap_or_default();
        let code = status.as_u16();
        // To the microsecond.
        let elapsed_ms = (elapsed_ms * 1_000.0).round() / 1_000.0;
        match cause {
            Some(cause) => {
                warn!(%method, path, status = code, reason, elapsed_ms, request_id, cause, "request failed");
            }
            None if is_well && telemetry::is_watched() => {
                info!("{method} {path} {code} in {elapsed_ms} ms");
            }
            None if is_well => {
                debug!(%method, path, status = code, elapsed_ms, request_id, "request");
            }
            None => info!(%method, path, status = code, reason, elapsed_ms, request_id, "request"),
        }
    }

    fn to_problem(&self, error: Error, path: &str) -> Problem {
        Problem::from_poem(error, &self.contract, path)
    }
}

/// The same answer, after which the connection ends.
fn closing(mut response: Response) -> Response {
    // HTTP/2 has no such header; hyper leaves it out there.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
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
        let origin = self.cors.origin(&request);
        let is_gzip_welcome = accepts_gzip(request.headers());

        let answered = self.answer(request, place, origin.is_some());
        let answered = AssertUnwindSafe(answered).catch_unwind().await;
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
        if let Some(origin) = origin {
            cors::allow(response.headers_mut(), origin);
        }
        if is_gzip_welcome {
            Box::pin(compress(&mut response)).await;
        }
        if self.draining.load(Relaxed) {
            // A client that would use the connection again might do so in the moment in which the service ends it.
            response = closing(response);
        }
        Ok(response)
    }
}
