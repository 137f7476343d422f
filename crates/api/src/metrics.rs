//! What the service measures, for Prometheus.
//!
//! Requests and batches are noted as they happen, in histograms that are made ahead. Everything else is read where it is
//! known when somebody asks: the ledger, the spool, the pools, the process. Nobody who asks waits for the database.

mod certificate;
mod connections;
mod exposition;
mod identity;
mod keys;
mod log;
mod process;
mod record;
mod recording;
mod requests;
mod spooled;
mod tasks;
mod upkeep;

use std::sync::Arc;

use access::Keyring;
use inference::Model;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use recorder::Recorder;
use spool::Spool;
use storage::Connections;

use crate::contract::Contract;
use crate::server::Shown;
use crate::tasks::Restarts;
use crate::upkeep::LastPass;

pub(crate) use record::RecordLooks;
pub(crate) use recording::Recording;
pub(crate) use requests::Requests;

/// Everything that is measured.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Arc<Requests>,
}

/// Where the figures are.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) model: Arc<Model>,
    pub(crate) recorder: Recorder,
    pub(crate) recording: Arc<Recording>,
    pub(crate) spool: Option<Spool>,
    /// The pools of connections by their names.
    pub(crate) pools: Vec<(&'static str, Connections)>,
    pub(crate) record: Arc<RecordLooks>,
    /// When the record was last kept up.
    pub(crate) kept_up: Arc<LastPass>,
    /// What clients are shown, if connections are encrypted.
    pub(crate) certificate: Option<Shown>,
    /// The keys, if callers need one.
    pub(crate) keyring: Option<Arc<Keyring>>,
    /// How often background tasks were started again.
    pub(crate) restarts: Vec<Restarts>,
}

/// How the figures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus before that, 0.0.4.
    Prometheus,
}

impl Metrics {
    /// Measures the requests for the addresses of this contract, and looks at the sources.
    pub(crate) fn new(contract: &Contract, sources: Sources) -> Self {
        let Sources { model, recorder, recording, spool, pools, record, .. } = sources;
        let requests = Arc::new(Requests::new(contract.templates()));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(identity::Identity::of(&model)));
        registry.register_collector(Box::new(Arc::clone(&requests)));
        registry.register_collector(Box::new(Arc::clone(&recording)));
        registry.register_collector(Box::new(recording::Rows::new(recorder, recording)));
        if let Some(spool) = spool {
            registry.register_collector(Box::new(spooled::Spooled::new(spool)));
        }
        registry.register_collector(Box::new(connections::Pools::new(pools)));
        registry.register_collector(Box::new(record));
        registry.register_collector(Box::new(upkeep::Upkeep::new(sources.kept_up)));
        if let Some(shown) = sources.certificate {
            registry.register_collector(Box::new(certificate::Certificate::new(shown)));
        }
        if let Some(keyring) = sources.keyring {
            registry.register_collector(Box::new(keys::Keys::new(keyring)));
        }
        registry.register_collector(Box::new(tasks::Tasks::new(sources.restarts)));
        registry.register_collector(Box::new(log::Log));
        registry.register_collector(Box::new(process::Process));
        Self { registry, requests }
    }

    /// Where requests are noted.
    pub(crate) fn requests(&self) -> Arc<Requests> {
        Arc::clone(&self.requests)
    }

    /// The figures of this moment.
    pub(crate) fn write(&self, format: Format) -> String {
        let mut written = String::with_capacity(32 << 10);
        let result = match format {
            Format::OpenMetrics => text::encode(&mut written, &self.registry),
            Format::Prometheus => prometheus_text::encode(&mut written, &self.registry),
        };
        debug_assert!(result.is_ok(), "a string takes everything");
        written
    }
}
