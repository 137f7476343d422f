//! What the thread of a spool is asked to do.

use tokio::sync::oneshot;

use crate::{Entry, EntryId, Error};

/// Where the outcome goes.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// Something to do.
#[derive(Debug)]
pub(crate) enum Command {
    Append(Append),
    Oldest { rows: usize, answer: Answer<Vec<Entry>> },
    Remove { entries: Vec<EntryId>, answer: Answer<()> },
    Quarantine { entry: EntryId, reason: String, answer: Answer<()> },
    Close { answer: Answer<()> },
}

/// Entries that stand or fall together.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) entries: Vec<Pending>,
    pub(crate) answer: Answer<()>,
}

/// An entry to be.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) arrived: i64,
    pub(crate) rows: i64,
    pub(crate) payload: Vec<u8>,
}

impl Append {
    /// The sizes of its payloads, in bytes.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|entry| entry.payload.len())
    }
}

/// Tells whoever asked, who may have gone.
pub(crate) fn tell<T>(answer: Answer<T>, outcome: Result<T, Error>) {
    drop(answer.send(outcome));
}
