//! What a request holds in the recorder: its room in the queue, and its lines in the ledger.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::ledger::{Ledger, State};

/// The stake of a request, held until it is certain what became of its rows.
#[derive(Debug)]
pub(crate) struct Stake {
    ledger: Arc<Ledger>,
    rows: u64,
    /// One permit for each row, given back with the stake.
    room: OwnedSemaphorePermit,
}

impl Stake {
    pub(crate) fn new(ledger: Arc<Ledger>, rows: u64, room: OwnedSemaphorePermit) -> Self {
        ledger.receive(rows, State::Waiting);
        Self { ledger, rows, room }
    }

    /// It is certain what became of the rows.
    pub(crate) fn settle(self, state: State) {
        self.ledger.shift(self.rows, State::Waiting, state);
        drop(self.room);
    }

    /// The request had been answered before.
    pub(crate) fn replay(self) {
        self.ledger.replay(self.rows);
        drop(self.room);
    }
}
