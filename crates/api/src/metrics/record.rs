//! The record in the database, looked at now and again: nobody who asks for figures waits for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::Counter;
use storage::Store;
use tokio::time::sleep;
use tracing::debug;

use super::exposition::Exposition;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// How large the record was when it was last looked at.
#[derive(Debug, Default)]
pub(crate) struct RecordSize {
    /// 0 until the first look; not even empty tables take so little.
    bytes: AtomicU64,
    failures: Counter,
}

impl RecordSize {
    /// Looks at it, now and again.
    pub(crate) async fn watch(self: Arc<Self>, store: Store) {
        loop {
            match store.size().await {
                Ok(bytes) => self.bytes.store(bytes, Ordering::Relaxed),
                Err(error) => {
                    self.failures.inc();
                    debug!(
                        error = &error as &dyn std::error::Error,
                        "the record was not looked at; trying again later"
                    );
                }
            }
            sleep(LOOK).await;
        }
    }
}

impl Collector for RecordSize {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut exposition = Exposition::from(encoder);
        let bytes = self.bytes.load(Ordering::Relaxed);
        if bytes > 0 {
            exposition.gauge(
                "onrecord_record_bytes",
                "Bytes of the tables and their indexes in the database",
                bytes,
            )?;
        }
        exposition.counter(
            "onrecord_record_look_failures",
            "How often the record could not be looked at, which is done once a minute",
            self.failures.get(),
        )
    }
}
