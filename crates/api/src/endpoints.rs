//! The operations of the API.

mod health;
mod ledger;
mod metrics;
mod model;
mod predict;
mod predictions;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};
use inference::Model;
use poem_openapi::Tags;
use recorder::Recorder;
use spool::Spool;
use storage::Store;

pub(crate) use health::HealthApi;
pub(crate) use ledger::LedgerApi;
pub(crate) use metrics::MetricsApi;
pub(crate) use model::ModelApi;
pub(crate) use predict::PredictApi;
pub(crate) use predictions::PredictionsApi;

use crate::metrics::Metrics;
use crate::problem::{Code, Problem};
use crate::quotas::Quotas;
use crate::readiness::Readiness;
use crate::turns::Turns;

/// What the operations share.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    pub(crate) model: Arc<Model>,
    pub(crate) recorder: Recorder,
    pub(crate) store: Store,
    /// Where predictions go while the database is away, if anywhere.
    pub(crate) spool: Option<Spool>,
    /// Whether the service is about to stop, and wants no more requests.
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) metrics: Arc<Metrics>,
    /// The last look at the database.
    pub(crate) readiness: Arc<Readiness>,
    /// Whose turn it is to read.
    pub(crate) turns: Arc<Turns>,
    pub(crate) quotas: Arc<Quotas>,
    /// When the service started.
    pub(crate) started: DateTime<Utc>,
}

/// The groups of operations.
#[derive(Tags)]
pub(crate) enum Group {
    /// Ask the model. Every answer is on the record before it is given.
    Predict,
    /// Read the record back.
    Record,
    /// Is the service well?
    Health,
}

/// What the client is told when the record cannot be read.
fn unreadable(error: storage::Error) -> Problem {
    if error.is_unreadable() || error.is_misfit() {
        Problem::internal(error)
    } else {
        Problem::new(Code::DatabaseUnavailable, "the record cannot be reached").because(error)
    }
}
