//! The recorder: what a front hands its requests to.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use domain::{Measurements, Record};
use inference::Model;
use storage::Writer;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::job::Job;
use crate::writing::Writing;
use crate::{Error, Limits};

/// Predicts and records as one act. A clone is the same recorder.
#[derive(Debug, Clone)]
pub struct Recorder {
    intake: mpsc::UnboundedSender<Job>,
    /// One permit for each row that may wait; this is what bounds the queue.
    room: Arc<Semaphore>,
    limits: Limits,
}

impl Recorder {
    /// A recorder of this model's predictions, and the task that writes them.
    ///
    /// The task ends when every clone of the recorder is gone; if it ends before, it has panicked, and every request
    /// from then on fails with [`Error::Stopped`].
    ///
    /// Must be called from within a tokio runtime.
    #[must_use]
    pub fn start(model: Arc<Model>, writer: Writer, limits: Limits) -> (Self, JoinHandle<()>) {
        let (intake, jobs) = mpsc::unbounded_channel();
        let writing = tokio::spawn(Writing::new(model, writer, limits).run(jobs));
        let room = Arc::new(Semaphore::new(limits.rows as usize));
        (Self { intake, room, limits }, writing)
    }

    /// Predicts these rows and returns their records, in order, once they are committed.
    ///
    /// `arrived` is when the request arrived; it is cut to whole microseconds and becomes the timestamp of every row.
    /// What is queued is carried out even if the returned future is dropped.
    ///
    /// # Errors
    ///
    /// See [`Error`]: none of the rows is recorded, except after [`Error::TimedOut`] or [`Error::Unavailable`], when
    /// either all or none of them are.
    pub async fn record(
        &self,
        arrived: DateTime<Utc>,
        rows: Vec<Measurements>,
    ) -> Result<Vec<Record>, Error> {
        let needed = u32::try_from(rows.len()).map_err(|_| Error::Full)?;
        let room =
            Arc::clone(&self.room).try_acquire_many_owned(needed).map_err(
                |refusal| match refusal {
                    tokio::sync::TryAcquireError::NoPermits => Error::Full,
                    tokio::sync::TryAcquireError::Closed => Error::Stopped,
                },
            )?;
        let deadline = Instant::now() + self.limits.deadline;
        let (reply, answer) = oneshot::channel();
        let job =
            Job { arrived: arrived.trunc_subsecs(6), rows, deadline, reply: Some(reply), room };
        self.intake.send(job).map_err(|_| Error::Stopped)?;
        // The writing task keeps the deadline; that it is gone is the only other end.
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    /// Waits until everything queued is answered, then refuses what comes.
    pub async fn close(&self) {
        // Who holds all the room knows that nothing is in it.
        let everything = self.room.acquire_many(self.limits.rows).await;
        self.room.close();
        drop(everything);
    }
}
