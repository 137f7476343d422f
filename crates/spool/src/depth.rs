//! What is waiting.

use chrono::{DateTime, Utc};

/// What a spool holds at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// How many entries wait to be replayed.
    pub entries: u64,
    /// How many rows they have together.
    pub rows: u64,
    /// What counts against [`Limits::bytes`](crate::Limits::bytes): pages in use and write-ahead log.
    pub bytes: u64,
    /// When the request of the oldest waiting entry arrived.
    pub oldest: Option<DateTime<Utc>>,
    /// How many entries are in quarantine.
    pub quarantined: u64,
    /// Whether the disk has failed, so that nothing is taken any more until the next opening.
    pub failed: bool,
}
