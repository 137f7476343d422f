//! What the writer shows of its work.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How much is in work, and how much may wait.
#[derive(Debug)]
pub(crate) struct Pressure {
    /// So many rows are written in time, as far as that is known; with more of them in the queue a request is refused.
    reach: AtomicUsize,
    /// How many rows have left the queue and are not settled: they are being written, or in doubt.
    in_work: AtomicUsize,
}

impl Pressure {
    pub(crate) fn reach(&self) -> usize {
        self.reach.load(Ordering::Relaxed)
    }

    pub(crate) fn set_reach(&self, rows: usize) {
        self.reach.store(rows, Ordering::Relaxed);
    }

    pub(crate) fn in_work(&self) -> usize {
        self.in_work.load(Ordering::Relaxed)
    }

    pub(crate) fn set_in_work(&self, rows: usize) {
        self.in_work.store(rows, Ordering::Relaxed);
    }
}

impl Default for Pressure {
    /// Nothing is known yet.
    fn default() -> Self {
        Self { reach: AtomicUsize::new(usize::MAX), in_work: AtomicUsize::new(0) }
    }
}
