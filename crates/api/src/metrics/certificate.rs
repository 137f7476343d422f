//! The certificate that clients are shown.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::Exposition;
use crate::server::Shown;

/// The one of the moment.
#[derive(Debug)]
pub(super) struct Certificate(Shown);

impl Certificate {
    pub(super) fn new(shown: Shown) -> Self {
        Self(shown)
    }
}

impl Collector for Certificate {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(validity) = self.0.borrow().validity else { return Ok(()) };
        let help = "When the certificate expires, since the epoch";
        let name = "onrecord_tls_certificate_expiry_timestamp_seconds";
        Exposition::from(encoder).gauge(name, help, validity.to.timestamp())
    }
}
