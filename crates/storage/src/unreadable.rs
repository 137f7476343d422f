//! Rows that are left out of pages, as they are none that this service can have written.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use domain::Record;
use uuid::Uuid;

use crate::{Error, Store};

/// The number of rows of which the log has spoken that are remembered; the log says nothing of more.
const REMEMBERED: usize = 1_000;

/// The rows that were left out.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    count: AtomicU64,
    told: Mutex<HashSet<Uuid>>,
}

impl Unreadable {
    /// The record, if it was readable; else it counts the row, and logs it when it meets it for the first time.
    pub(crate) fn leave_out(&self, record: Result<Record, Error>) -> Option<Record> {
        let error = match record {
            Ok(record) => return Some(record),
            Err(error) => error,
        };
        self.count.fetch_add(1, Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Error::Unreadable { id, .. } = &error
            && told.len() < REMEMBERED
            && told.insert(*id)
        {
            tracing::warn!("{error}; it is left out of every page until it is mended or deleted");
        }
        None
    }
}

impl Store {
    /// How many times a row was left out of a page since the start, because it is not readable.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable.count.load(Relaxed)
    }
}
