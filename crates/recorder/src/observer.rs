//! Who is told what the recorder does.

use std::fmt;
use std::time::Duration;

use domain::Record;

use crate::Stored;

/// Is told what the recorder does; nothing happens at what it does not implement. The callers of a batch wait for it.
pub trait Observer: fmt::Debug + Send + Sync {
    /// So many rows were written by one commit, which took so long.
    ///
    /// Those that were put aside before are among them, and those that turned out to be there already.
    fn wrote(&self, rows: usize, took: Duration) {
        let _ = (rows, took);
    }

    /// A write failed, and not because the database refused its rows.
    fn failed(&self) {}

    /// The records of a request are committed or put aside; each is told once, before its caller is.
    fn recorded(&self, records: &[Record], stored: Stored) {
        let _ = (records, stored);
    }
}

/// Nobody.
impl Observer for () {}
