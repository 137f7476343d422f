//! The key file.

use std::fmt;
use std::sync::Arc;

use access::Keyring;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::Exposition;

/// Whether the keys are those of the file.
#[derive(Debug)]
pub(super) struct Keys(Arc<Keyring>);

impl Keys {
    pub(super) fn new(keyring: Arc<Keyring>) -> Self {
        Self(keyring)
    }
}

impl Collector for Keys {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Exposition::from(encoder).gauge(
            "onrecord_keys_read_ago_seconds",
            "How long ago the key file could last be read, which is done every second",
            self.0.read_at().elapsed().as_secs_f64(),
        )
    }
}
