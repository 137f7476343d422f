//! Which program this is, and which model it serves.

use std::fmt;

use inference::Model;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::Exposition;

/// What stays the same as long as the process lives.
#[derive(Debug)]
pub(super) struct Identity {
    model: [(&'static str, String); 3],
}

impl Identity {
    pub(super) fn of(model: &Model) -> Self {
        let manifest = model.manifest();
        Self {
            model: [
                ("version", model.version().to_owned()),
                ("name", manifest.name.clone()),
                ("data_sha256", manifest.data_sha256.clone()),
            ],
        }
    }
}

impl Collector for Identity {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut exposition = Exposition::from(encoder);
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        exposition.info("onrecord_build", "The program", &build)?;
        exposition.info("onrecord_model", "The model", &self.model)
    }
}
