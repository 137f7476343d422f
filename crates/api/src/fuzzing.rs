//! What the fuzz targets call: the readers of what clients send, without a service around them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use domain::Measurements;
use futures_util::FutureExt;
use inference::Model;
use poem::endpoint::BoxEndpoint;
use poem::http::Uri;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response};
use recorder::{Limits, Recorder};
use storage::{Database, Store};
use tokio::runtime::Runtime;

use crate::Document;
use crate::contract::Contract;
use crate::cors::Cors;
use crate::endpoints::Endpoints;
use crate::guard::Guard;
use crate::metrics::{Metrics, RecordLooks, Recording, Sources};
use crate::problem::Problem;
use crate::quotas::Quotas;
use crate::readiness::Readiness;
use crate::routes::{PAGES, routes};
use crate::scalar::{Id, Timestamp};
use crate::schema;
use crate::strict::parse;
use crate::turns::Turns;

/// The status of an answer, and its body.
pub type Answer = (u16, Vec<u8>);

/// The service without its database: what it would have to look up is answered with 503.
pub struct Away {
    runtime: Runtime,
    routes: BoxEndpoint<'static, Response>,
}

impl Away {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Fails as the service itself may, but for the database.
    pub fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let model = Arc::new(Model::embedded()?);
        let nowhere =
            Database::from_url("host=/nowhere user=nobody", &storage::Variables::default())?;
        let store = Store::new(nowhere)?;
        let writer = store.writer()?;
        let recording = Arc::new(Recording::new(Arc::clone(&model)));
        let observer = Arc::clone(&recording);
        let limits = Limits::default();
        let (recorder, _) = Recorder::start(Arc::clone(&model), writer, None, limits, observer);
        let document = Document::generate()?;
        let sources = Sources {
            model: Arc::clone(&model),
            recorder: recorder.clone(),
            recording,
            spool: None,
            pools: Vec::new(),
            record: Arc::new(RecordLooks::of(store.clone(), None)),
            kept_up: Arc::default(),
            certificate: None,
            keyring: None,
            restarts: Vec::new(),
        };
        let metrics = Arc::new(Metrics::new(&Contract::of(&document, PAGES)?, sources));
        let endpoints = Endpoints {
            model,
            recorder,
            store,
            spool: None,
            draining: Arc::default(),
            metrics,
            readiness: Arc::new(Readiness::fit()),
            turns: Arc::new(Turns::among(1)),
            quotas: Arc::new(Quotas::new(None, u64::MAX, Duration::from_secs(86_400))),
            started: Utc::now(),
        };
        let routes = routes(endpoints, &document, Guard::default(), Cors::default())?.boxed();
        drop(entered);
        Ok(Self { runtime, routes })
    }

    /// The answer to a `GET` of this address.
    ///
    /// # Errors
    ///
    /// Fails if no client could send such an address.
    pub fn get(&self, address: &str) -> anyhow::Result<Answer> {
        let uri: Uri = address.parse().context("no address")?;
        let request = Request::builder().uri(uri).header("Host", "x").finish();
        Ok(answer(self.runtime.block_on(self.routes.get_response(request))))
    }
}

impl fmt::Debug for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Away").finish_non_exhaustive()
    }
}

/// Bodies of this size are there at once.
fn answer(response: Response) -> Answer {
    let status = response.status().as_u16();
    let body = response.into_body().into_bytes().now_or_never().and_then(Result::ok);
    (status, body.unwrap_or_default().into())
}

fn refused(problem: Problem) -> Answer {
    answer(problem.into_response())
}

/// The row of a body of `POST /predict`.
///
/// # Errors
///
/// Fails with the answer to a body that is refused.
pub fn row(body: &[u8]) -> Result<Measurements, Answer> {
    parse::<schema::Measurements>(body).map_err(refused)
}

/// The rows of a body of `POST /predict/batch`.
///
/// # Errors
///
/// Fails with the answer to a body that is refused.
pub fn batch(body: &[u8]) -> Result<Vec<Measurements>, Answer> {
    parse::<schema::Batch>(body).map_err(refused)
}

/// How the id in this text is written by the service, if it is one.
#[must_use]
pub fn id(text: &str) -> Option<String> {
    Id::parse(text).map(|id| id.to_string())
}

/// How the time in this text is written by the service, if it is one.
#[must_use]
pub fn time(text: &str) -> Option<String> {
    Timestamp::parse(text).map(|time| time.to_string())
}
