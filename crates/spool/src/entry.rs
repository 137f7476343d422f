//! What is replayed as a whole.

use domain::Record;

/// Names one entry of a spool until that is closed. Later entries have larger ids, and none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub(crate) i64);

/// The records of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// The records, in the order in which they were appended; at least one.
    pub records: Vec<Record>,
}
