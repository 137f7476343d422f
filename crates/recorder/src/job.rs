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
    /// When the caller is told that the time has run out.
    pub(crate) deadline: Instant,
    /// Gone once the caller is told.
    pub(crate) reply: Option<oneshot::Sender<Outcome>>,
    /// The room it takes in the queue, given back when it is answered.
    pub(crate) room: OwnedSemaphorePermit,
}

impl Job {
    /// Tells the caller, who may have gone.
    pub(crate) fn answer(self, outcome: Outcome) {
        // The room is free again before the caller knows, so that who waits for an answer finds room.
        drop(self.room);
        if let Some(reply) = self.reply {
            drop(reply.send(outcome));
        }
    }

    /// Tells the caller that the time has run out, while the request keeps its room.
    pub(crate) fn expire(&mut self) {
        if let Some(reply) = self.reply.take() {
            drop(reply.send(Err(Error::TimedOut)));
        }
    }

    /// Whether the caller is not told yet.
    pub(crate) fn is_awaited(&self) -> bool {
        self.reply.is_some()
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
