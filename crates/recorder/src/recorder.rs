//! The recorder: what a front hands its requests to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use domain::Measurements;
use inference::Model;
use spool::Spool;
use storage::Writer;
use tokio::sync::{Semaphore, TryAcquireError, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::aside::Aside;
use crate::circuit::Circuit;
use crate::job::Job;
use crate::ledger::{Ledger, State};
use crate::pressure::Pressure;
use crate::stake::Stake;
use crate::writing::Writing;
use crate::{Error, Limits, Observer, Once, Recorded, Tally};

/// Predicts and records as one act. A clone is the same recorder.
#[derive(Debug, Clone)]
pub struct Recorder {
    intake: mpsc::UnboundedSender<Job>,
    /// One permit for each row that may wait; this is what bounds the queue.
    room: Arc<Semaphore>,
    pressure: Arc<Pressure>,
    ledger: Arc<Ledger>,
    /// Whether the database is known to be away.
    away: Arc<AtomicBool>,
    /// Whether requests are put aside then.
    puts_aside: bool,
    limits: Limits,
}

impl Recorder {
    /// A recorder of this model's predictions, and the task that writes them.
    ///
    /// The task ends when every clone of the recorder is gone; if it ends before, it has panicked, and every request
    /// from then on fails with [`Error::Stopped`].
    ///
    /// With a spool, requests without a key are put there while the database is away, and what is in it is brought to the
    /// database, oldest first. The observer is told what happens.
    ///
    /// Must be called from within a tokio runtime.
    #[must_use]
    pub fn start(
        model: Arc<Model>,
        writer: Writer,
        spool: Option<Spool>,
        limits: Limits,
        observer: Arc<dyn Observer>,
    ) -> (Self, JoinHandle<()>) {
        let (intake, jobs) = mpsc::unbounded_channel();
        let (away, ledger) = (Arc::new(AtomicBool::new(false)), Arc::new(Ledger::default()));
        let circuit = Circuit::new(Arc::clone(&away));
        let aside =
            spool.map(|spool| Aside::new(spool, Arc::clone(&ledger), Arc::clone(&observer)));
        let puts_aside = aside.is_some();
        let pressure = Arc::new(Pressure::default());
        let writing = Writing::new(model, writer, aside, limits, Arc::clone(&pressure), observer);
        let writing = tokio::spawn(writing.run(jobs, circuit));
        let room = Arc::new(Semaphore::new(limits.rows as usize));
        (Self { intake, room, pressure, ledger, away, puts_aside, limits }, writing)
    }

    /// Predicts these rows and returns their records, in order, once they are committed, or put aside.
    ///
    /// `arrived` is when the request arrived; it is cut to whole microseconds and becomes the timestamp of every row.
    /// What is queued is carried out even if the returned future is dropped.
    ///
    /// With `once`, the request is recorded once however often it is sent, and each time it gets the answer of the first.
    ///
    /// # Errors
    ///
    /// See [`Error`]: none of the rows is recorded, except after [`Error::InDoubt`], when all or none of them are.
    pub async fn record(
        &self,
        arrived: DateTime<Utc>,
        rows: Vec<Measurements>,
        once: Option<Once>,
    ) -> Result<Recorded, Error> {
        let n_rows = rows.len() as u64;
        let is_of_use = !self.is_away() || (self.puts_aside && once.is_none());
        let room = if is_of_use { self.room(rows.len()) } else { Err(Error::Away) };
        let room = room.inspect_err(|_| self.ledger.receive(n_rows, State::Refused))?;
        let deadline = Instant::now() + self.limits.deadline;
        let (reply, answer) = oneshot::channel();
        let stake = Stake::new(Arc::clone(&self.ledger), n_rows, room);
        let (reply, once) = (Some(reply), once.map(Box::new));
        let job = Job { arrived: arrived.trunc_subsecs(6), rows, once, deadline, reply, stake };
        if let Err(mpsc::error::SendError(job)) = self.intake.send(job) {
            job.unrecorded(Error::Stopped);
        }
        // The writing task keeps the deadline; that it is gone is the only other end.
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    /// Room in the queue for so many rows, if there is any.
    fn room(&self, rows: usize) -> Result<tokio::sync::OwnedSemaphorePermit, Error> {
        let rows = u32::try_from(rows).map_err(|_| Error::Full)?;
        // Who comes before that is reached is let in whole: else a large request would never be.
        if self.taken() >= self.pressure.reach() {
            return Err(Error::Full);
        }
        Arc::clone(&self.room).try_acquire_many_owned(rows).map_err(|refusal| match refusal {
            TryAcquireError::NoPermits => Error::Full,
            TryAcquireError::Closed => Error::Stopped,
        })
    }

    /// How many rows hold room: they are queued, being written, or in doubt.
    fn taken(&self) -> usize {
        (self.limits.rows as usize).saturating_sub(self.room.available_permits())
    }

    /// How many rows wait for their batch.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.taken().saturating_sub(self.pressure.in_work())
    }

    /// How many rows may be queued, being written or in doubt before a request is refused.
    #[must_use]
    pub fn most(&self) -> usize {
        self.pressure.reach().min(self.limits.rows as usize)
    }

    /// Whether the circuit is open: the database is known to be away.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// What became of every row so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.ledger.tally()
    }

    /// Waits until it is certain what became of everything queued, at most for so long, then refuses what comes.
    pub async fn close(&self, at_most: Duration) {
        // Who holds all the room knows that nothing is in it.
        let everything = timeout(at_most, self.room.acquire_many(self.limits.rows)).await;
        self.room.close();
        drop(everything);
    }
}
