//! What a caller gets.

use domain::Record;

/// A request that is on the record.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// A request without a key.
    Records {
        /// Its records, in the order of its rows.
        records: Vec<Record>,
        /// Where they are.
        stored: Stored,
    },
    /// A request with a key.
    Answer {
        /// The answer that is kept for the key.
        answer: Vec<u8>,
        /// Whether it was kept for an earlier request, so that nothing was recorded now.
        replayed: bool,
    },
}

/// Where records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// In the database, committed.
    Committed,
    /// On the local disk, flushed; they will be in the database when it is back.
    Spooled,
}
