//! One request on its way to the record.

use chrono::{DateTime, Utc};
use domain::{Measurements, Prediction, Record};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::{Error, ids};

/// What a caller is told in the end.
pub(crate) type Outcome = Result<Vec<Record>, Error>;

/// The rows of one request, and the one who waits for them.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) arrived: DateTime<Utc>,
    pub(crate) rows: Vec<Measurements>,
    /// After this nobody waits for the answer any more.
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Outcome>,
    /// The room it takes in the queue, given back when it is answered.
    pub(crate) room: OwnedSemaphorePermit,
}

impl Job {
    /// Tells the caller, who may have gone.
    pub(crate) fn answer(self, outcome: Outcome) {
        // The room is free again before the caller knows, so that who waits for an answer finds room.
        drop(self.room);
        drop(self.reply.send(outcome));
    }

    /// The records that these predictions make of the rows.
    pub(crate) fn records<'a>(
        &'a self,
        predictions: &'a [Prediction],
        model_version: &'a std::sync::Arc<str>,
    ) -> impl Iterator<Item = Record> + 'a {
        let ids = ids::rising(self.arrived, self.rows.len());
        ids.zip(self.rows.iter().zip(predictions)).map(|(id, (measurements, prediction))| Record {
            id,
            timestamp: self.arrived,
            measurements: *measurements,
            prediction: *prediction,
            model_version: std::sync::Arc::clone(model_version),
            truth: None,
        })
    }
}
