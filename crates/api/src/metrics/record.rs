//! The record in the database, looked at now and again: nobody who asks for figures waits for it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Causes;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::Counter;
use storage::{Look, Store};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::exposition::Exposition;
use crate::clock;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// What the record was when it was last looked at.
#[derive(Debug)]
pub(crate) struct RecordLooks {
    store: Store,
    retain_days: Option<u16>,
    last: Mutex<Option<Look>>,
    failures: Counter,
}

impl RecordLooks {
    /// Looks at the record in this store, which is kept for so many days. None has been taken yet.
    pub(crate) fn of(store: Store, retain_days: Option<u16>) -> Self {
        Self { store, retain_days, last: Mutex::default(), failures: Counter::default() }
    }

    /// Looks at it, now and again.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut strays = 0;
        loop {
            match self.store.look().await {
                Ok(look) => {
                    if look.strays > strays {
                        warn!(
                            rows = look.strays,
                            "rows of the record are in no partition but the default"
                        );
                    }
                    strays = look.strays;
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
                }
                Err(error) => {
                    self.failures.inc();
                    debug!(
                        error = %Causes(&error),
                        "the record was not looked at; trying again later"
                    );
                }
            }
            sleep(LOOK).await;
        }
    }
}

impl Collector for RecordLooks {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut exposition = Exposition::from(encoder);
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Look { bytes, partitions, strays, covered_until, oldest }) = last {
            exposition.gauge(
                "onrecord_record_bytes",
                "Bytes of the tables and their indexes in the database",
                bytes,
            )?;
            exposition.gauge(
                "onrecord_record_partitions",
                "Partitions of the record, but for the default",
                partitions,
            )?;
            exposition.gauge(
                "onrecord_record_default_rows",
                "Predictions that no partition took but the default, counted up to 100,000",
                strays,
            )?;
            if let Some(until) = covered_until {
                exposition.gauge(
                    "onrecord_record_ahead_seconds",
                    "For how long from now on there is a partition",
                    (until - clock::now()).num_seconds(),
                )?;
            }
            if let Some(oldest) = oldest {
                exposition.gauge(
                    "onrecord_record_oldest_timestamp_seconds",
                    "When the oldest prediction of the record was made, in Unix time",
                    oldest.timestamp(),
                )?;
            }
        }
        if let Some(days) = self.retain_days {
            exposition.gauge(
                "onrecord_retention_seconds",
                "For how long predictions are kept, by RETAIN_DAYS",
                u64::from(days) * 86_400,
            )?;
        }
        exposition.counter(
            "onrecord_record_rows_unreadable",
            "How often a row was left out of a page because it is not readable",
            self.store.unreadable(),
        )?;
        exposition.counter(
            "onrecord_record_look_failures",
            "How often the record could not be looked at, which is done once a minute",
            self.failures.get(),
        )
    }
}
