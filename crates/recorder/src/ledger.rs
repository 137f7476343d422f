//! What became of every row since the recorder started.

use std::sync::{Mutex, PoisonError};

/// How many rows there are in each state. At every moment `received` is the sum of the five states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows of requests that were taken in or refused; those that got an answer kept for their key are not among them.
    pub received: u64,
    /// Rows that are committed in the database.
    pub committed: u64,
    /// Rows that are on the local disk, until they are committed.
    pub spooled: u64,
    /// Rows that were not recorded: there was no room, no time, or no database, or their key was used for something else.
    pub refused: u64,
    /// Rows on which the model or the database failed.
    pub failed: u64,
    /// Rows that are queued or being written, and those of which it is not known yet whether they were.
    pub waiting: u64,
    /// Rows of requests that got an answer kept for their key.
    pub replayed: u64,
}

/// The states in which a row can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Committed,
    Spooled,
    Refused,
    Failed,
}

/// The tally, kept under a lock so that it is right at every moment.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Tally>);

impl Ledger {
    pub(crate) fn tally(&self) -> Tally {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows have come and are in this state.
    pub(crate) fn receive(&self, rows: u64, state: State) {
        self.change(|tally| {
            tally.received += rows;
            *tally.of(state) += rows;
        });
    }

    /// Rows go from one state to another.
    pub(crate) fn shift(&self, rows: u64, from: State, to: State) {
        self.change(|tally| {
            *tally.of(from) -= rows;
            *tally.of(to) += rows;
        });
    }

    /// Rows that were waiting turn out to have been received before.
    pub(crate) fn replay(&self, rows: u64) {
        self.change(|tally| {
            tally.received -= rows;
            tally.waiting -= rows;
            tally.replayed += rows;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Tally {
    fn of(&mut self, state: State) -> &mut u64 {
        match state {
            State::Waiting => &mut self.waiting,
            State::Committed => &mut self.committed,
            State::Spooled => &mut self.spooled,
            State::Refused => &mut self.refused,
            State::Failed => &mut self.failed,
        }
    }
}
