//! One request on its way to the record.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{Measurements, Prediction, Record};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ledger::State;
use crate::once::Once;
use crate::recorded::Recorded;
use crate::stake::Stake;
use crate::{Error, ids};

/// What a caller is told in the end.
pub(crate) type Outcome = Result<Recorded, Error>;

/// The rows of one request, and the one who waits for them.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) arrived: DateTime<Utc>,
    pub(crate) rows: Vec<Measurements>,
    /// Set if it is recorded once, however often it is sent.
    pub(crate) once: Option<Box<Once>>,
    /// When the caller is told that the time has run out.
    pub(crate) deadline: Instant,
    /// Gone once the caller is told.
    pub(crate) reply: Option<oneshot::Sender<Outcome>>,
    pub(crate) stake: Stake,
}

impl Job {
    /// It is recorded, and this is what the caller gets, who may have gone.
    pub(crate) fn recorded(self, state: State, recorded: Recorded) {
        // The room is free again before the caller knows, so that who waits for an answer finds room.
        self.stake.settle(state);
        reply(self.reply, Ok(recorded));
    }

    /// It was recorded before.
    pub(crate) fn replayed(self, answer: Vec<u8>) {
        self.stake.replay();
        reply(self.reply, Ok(Recorded::Answer { answer, replayed: true }));
    }

    /// It is certain that there is no record.
    pub(crate) fn unrecorded(self, error: Error) {
        let failed = matches!(error, Error::Refused(_) | Error::Model(_) | Error::Panicked);
        self.stake.settle(if failed { State::Failed } else { State::Refused });
        reply(self.reply, Err(error));
    }

    /// It is not certain whether there is a record: the caller is told so, and the request goes on.
    pub(crate) fn doubted(&mut self, error: Error) {
        reply(self.reply.take(), Err(error));
    }

    /// Whether the caller is not told yet.
    pub(crate) fn is_awaited(&self) -> bool {
        self.reply.is_some()
    }

    /// The records that these predictions make of the rows.
    pub(crate) fn records<'a>(
        &'a self,
        predictions: &'a [Prediction],
        model_version: &'a Arc<str>,
    ) -> impl Iterator<Item = Record> + 'a {
        let ids = ids::rising(self.arrived, self.rows.len());
        ids.zip(self.rows.iter().zip(predictions)).map(|(id, (measurements, prediction))| Record {
            id,
            timestamp: self.arrived,
            measurements: *measurements,
            prediction: *prediction,
            model_version: Arc::clone(model_version),
            truth: None,
        })
    }
}

fn reply(to: Option<oneshot::Sender<Outcome>>, outcome: Outcome) {
    if let Some(to) = to {
        drop(to.send(outcome));
    }
}
