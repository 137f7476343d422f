//! When the record was last kept up.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use chrono::{DateTime, Utc};

/// When this service has last done each step of the upkeep.
#[derive(Debug, Default)]
pub(crate) struct LastPass(AtomicI64);

impl LastPass {
    /// Each step was done now.
    pub(super) fn set(&self, now: DateTime<Utc>) {
        self.0.store(now.timestamp(), Relaxed);
    }

    /// When that was; nothing if it was not since the start, or this service may not.
    pub(crate) fn get(&self) -> Option<DateTime<Utc>> {
        let seconds = self.0.load(Relaxed);
        DateTime::from_timestamp(seconds, 0).filter(|_| seconds > 0)
    }
}
