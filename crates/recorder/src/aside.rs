//! Requests put aside on the local disk while the database is away, and brought to it when it is back.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Causes, Record};
use spool::{Depth, Entry, EntryId, Spool};
use storage::Writer;

use crate::batch::Batch;
use crate::ledger::{Ledger, State};
use crate::recorded::{Recorded, Stored};
use crate::settling::persist;
use crate::{Error, Observer};

/// A spool, and the ledger that says how many rows are in it.
#[derive(Debug)]
pub(crate) struct Aside {
    spool: Spool,
    ledger: Arc<Ledger>,
    observer: Arc<dyn Observer>,
    /// Entries that are in the database, but could not be removed for lack of room.
    committed: Mutex<HashSet<EntryId>>,
}

/// What became of an attempt to bring back what was put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// Some of it is in the database now.
    Some,
    /// There is nothing.
    Nothing,
    /// The database is away.
    Away,
    /// The disk does not let it go on.
    Stalled,
}

impl Aside {
    /// What the spool holds already counts as received.
    pub(crate) fn new(spool: Spool, ledger: Arc<Ledger>, observer: Arc<dyn Observer>) -> Self {
        ledger.receive(spool.depth().rows, State::Spooled);
        Self { spool, ledger, observer, committed: Mutex::default() }
    }

    pub(crate) fn depth(&self) -> Depth {
        self.spool.depth()
    }

    /// Puts requests aside and tells their callers so. Gives back those that are in doubt.
    ///
    /// Requests with a key are not put aside: only the database can say whether a key is free. They, and whatever the disk
    /// does not take, get this error, or are in doubt if they were before.
    pub(crate) async fn put(&self, mut batch: Batch, in_doubt: bool, error: &Error) -> Batch {
        let mut left = batch.split_keyed();
        if batch.len() > 0 {
            let append = async |records: Vec<Vec<Record>>| self.spool.append(records).await;
            match batch.put(append).await {
                Ok(()) => {
                    while let Some(single) = batch.pop() {
                        let stored = Stored::Spooled;
                        self.observer.recorded(&single.records, stored);
                        let recorded = Recorded::Records { records: single.records, stored };
                        single.job.recorded(State::Spooled, recorded);
                    }
                }
                Err(refusal) => {
                    tracing::warn!(
                        error = %Causes(&refusal),
                        "what should be put aside cannot be"
                    );
                    if refusal.is_in_doubt() && !in_doubt {
                        batch.doubt(&Error::InDoubt(None));
                        left.refuse(error);
                        return batch;
                    }
                    left.append(batch);
                }
            }
        }
        if in_doubt {
            left.doubt(error);
        } else {
            left.refuse(error);
        }
        left
    }

    /// Writes the oldest entries to the database, of so many rows together, and removes them.
    pub(crate) async fn replay(&self, writer: &Writer, rows: usize) -> Replayed {
        let entries = match self.spool.oldest(rows).await {
            Ok(entries) => entries,
            Err(error) => return stalled(&error),
        };
        if entries.is_empty() {
            return Replayed::Nothing;
        }
        // A batch has one model version; who started with another model has entries of both.
        for entries in entries.chunk_by(|a, b| version(a) == version(b)) {
            match self.replay_alike(writer, entries).await {
                Replayed::Some => {}
                other => return other,
            }
        }
        Replayed::Some
    }

    /// If the database refuses rows, the entries are halved until the guilty one stands alone.
    async fn replay_alike(&self, writer: &Writer, entries: &[Entry]) -> Replayed {
        let mut parts = vec![entries];
        while let Some(part) = parts.pop() {
            let records: Vec<Record> =
                part.iter().flat_map(|entry| entry.records.iter().cloned()).collect();
            let replayed = match persist(writer, &*self.observer, &records, &[], true).await {
                Ok(_) => self.remove(part).await,
                Err(failure) if failure.error.is_refusal() => match part {
                    [entry] => self.quarantine(entry, &failure.error).await,
                    several => {
                        let (first, second) = several.split_at(several.len() / 2);
                        parts.extend([second, first]);
                        Replayed::Some
                    }
                },
                Err(failure) => {
                    let error = Causes(&failure.error);
                    tracing::warn!(%error, "what was put aside cannot be written yet");
                    Replayed::Away
                }
            };
            if replayed != Replayed::Some {
                return replayed;
            }
        }
        Replayed::Some
    }

    async fn remove(&self, entries: &[Entry]) -> Replayed {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let removed = self.spool.remove(ids).await;
        let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = 0;
        for entry in entries {
            if !committed.remove(&entry.id) {
                rows += entry.records.len() as u64;
            }
        }
        self.ledger.shift(rows, State::Spooled, State::Committed);
        match removed {
            Ok(()) => Replayed::Some,
            Err(error) => {
                // After any other error they do not come back before the next start.
                if matches!(error, spool::Error::Full) {
                    committed.extend(entries.iter().map(|entry| entry.id));
                }
                stalled(&error)
            }
        }
    }

    async fn quarantine(&self, entry: &Entry, refusal: &storage::Error) -> Replayed {
        tracing::error!(
            error = %Causes(refusal),
            rows = entry.records.len(),
            "the database refuses what was put aside; it is in quarantine"
        );
        match self.spool.quarantine(entry.id, &refusal.to_string()).await {
            Ok(()) => {
                self.ledger.shift(entry.records.len() as u64, State::Spooled, State::Failed);
                Replayed::Some
            }
            Err(error) => stalled(&error),
        }
    }

    /// Once nothing is aside and nothing on its way there: what is still counted there was damaged on the disk since.
    pub(crate) fn write_off(&self) {
        if self.depth().entries == 0 {
            let lost = self.ledger.tally().spooled;
            if lost > 0 {
                tracing::error!(rows = lost, "what was put aside was damaged; it is in quarantine");
                self.ledger.shift(lost, State::Spooled, State::Failed);
            }
        }
    }
}

fn version(entry: &Entry) -> Option<&str> {
    entry.records.first().map(|record| &*record.model_version)
}

fn stalled(error: &spool::Error) -> Replayed {
    tracing::warn!(
        error = %Causes(error),
        "what was put aside cannot be brought to the database yet"
    );
    Replayed::Stalled
}
