//! How much may wait, and for how long.

use std::time::Duration;

/// The limits of a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many rows may be queued or being written; a request that does not fit is refused at once. Fewer, if so many are
    /// not written in time.
    pub rows: u32,
    /// How many rows one statement writes at most; a single larger request is still written whole.
    pub batch_rows: usize,
    /// How long a caller waits for its record at most.
    pub deadline: Duration,
}

impl Default for Limits {
    /// 20,000 rows, two of the largest batch requests; 1,024 rows a statement; 1.5 seconds, which leaves time for an
    /// answer within two.
    fn default() -> Self {
        Self { rows: 20_000, batch_rows: 1_024, deadline: Duration::from_millis(1_500) }
    }
}
