//! The log, as far as it fails.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::Exposition;
use crate::telemetry;

/// The log of this process.
#[derive(Debug)]
pub(super) struct Log;

impl Collector for Log {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Lines of the log that could not be written";
        Exposition::from(encoder).counter(
            "onrecord_log_lines_dropped",
            help,
            telemetry::dropped_lines(),
        )
    }
}
