//! When the record was last kept up.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::Exposition;
use crate::upkeep::LastPass;

/// The upkeep of this service.
#[derive(Debug)]
pub(super) struct Upkeep(Arc<LastPass>);

impl Upkeep {
    pub(super) fn new(last: Arc<LastPass>) -> Self {
        Self(last)
    }
}

impl Collector for Upkeep {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(at) = self.0.get() else { return Ok(()) };
        Exposition::from(encoder).gauge(
            "onrecord_upkeep_last_success_timestamp_seconds",
            "When each step of the upkeep was last done by this service, in Unix time",
            at.timestamp(),
        )
    }
}
