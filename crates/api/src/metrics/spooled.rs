//! What is in the spool.

use std::fmt;

use chrono::Utc;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use spool::{Depth, Spool};

use super::exposition::Exposition;

/// The spool, to be looked at.
#[derive(Debug)]
pub(super) struct Spooled(Spool);

impl Spooled {
    pub(super) fn new(spool: Spool) -> Self {
        Self(spool)
    }
}

impl Collector for Spooled {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(spool) = self;
        let mut exposition = Exposition::from(encoder);
        let Depth { rows, bytes, oldest, quarantined, failed, .. } = spool.depth();
        let age = oldest.map_or(0.0, |oldest| (Utc::now() - oldest).as_seconds_f64().max(0.0));
        exposition.gauge("onrecord_spool_rows", "Rows that wait for the database", rows)?;
        exposition.gauge("onrecord_spool_bytes", "Bytes that the spool takes", bytes)?;
        exposition.gauge(
            "onrecord_spool_room_bytes",
            "Bytes that the spool may still take, by its limit and by its disk",
            spool.room(),
        )?;
        exposition.gauge(
            "onrecord_spool_oldest_seconds",
            "How long ago the oldest request in the spool arrived; 0 if it is empty",
            age,
        )?;
        exposition.gauge(
            "onrecord_spool_quarantined",
            "Entries that were damaged, or that the database refused",
            quarantined,
        )?;
        exposition.gauge(
            "onrecord_spool_failed",
            "1 if the disk has failed, so that the spool takes nothing until the next start",
            u64::from(failed),
        )
    }
}
