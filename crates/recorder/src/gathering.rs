//! The requests that wait, and when they become a batch.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::Error;
use crate::job::Job;

/// How many turns of the runtime in a row may bring nothing before a batch stops waiting for more.
const QUIET_TURNS: usize = 8;

/// What a batch waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aim {
    /// With so many rows it is complete.
    pub(crate) rows: usize,
    /// For so long it waits for them; without it, only while requests that are being read still turn up.
    pub(crate) patience: Option<Duration>,
}

/// The receiving end of the queue.
#[derive(Debug)]
pub(crate) struct Gathering {
    queue: UnboundedReceiver<Job>,
    waiting: VecDeque<Job>,
    /// How many rows wait.
    rows: usize,
    /// How many rows a batch holds at most, unless a single request has more.
    most: usize,
    /// When the batch that is being gathered leaves in any case.
    give_up: Option<Instant>,
}

impl Gathering {
    pub(crate) fn new(queue: UnboundedReceiver<Job>, most: usize) -> Self {
        Self { queue, waiting: VecDeque::new(), rows: 0, most, give_up: None }
    }

    /// How many rows wait.
    pub(crate) fn waiting(&mut self) -> usize {
        self.receive();
        self.rows
    }

    /// When the time of the oldest request runs out.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        self.receive();
        self.waiting.front().map(|job| job.deadline)
    }

    /// Refuses the requests whose time has run out.
    pub(crate) fn expire(&mut self) {
        let now = Instant::now();
        while self.waiting.front().is_some_and(|job| job.deadline <= now)
            && let Some(job) = self.waiting.pop_front()
        {
            self.rows -= job.rows.len();
            job.unrecorded(Error::TimedOut);
        }
    }

    /// The next batch; `None` once the queue is closed and empty.
    ///
    /// Dropping the future loses nothing: what it had gathered waits for the next call.
    pub(crate) async fn batch(&mut self, aim: Aim) -> Option<Vec<Job>> {
        if self.waiting.is_empty() {
            let first = self.queue.recv().await?;
            self.push(first);
        }
        self.receive();
        match aim.patience {
            None => self.wait_while_they_come(aim.rows).await,
            Some(patience) => self.wait(aim.rows, patience).await,
        }
        self.give_up = None;
        Some(self.take())
    }

    /// Lets the requests that the runtime has at hand come first: no time passes in which it had nothing else to do.
    async fn wait_while_they_come(&mut self, rows: usize) {
        let mut quiet = 0;
        while self.rows < rows && quiet < QUIET_TURNS {
            let before = self.rows;
            yield_now().await;
            self.receive();
            quiet = if self.rows == before { quiet + 1 } else { 0 };
        }
    }

    async fn wait(&mut self, rows: usize, patience: Duration) {
        let give_up = *self.give_up.get_or_insert_with(|| Instant::now() + patience);
        while self.rows < rows {
            let Ok(Some(job)) = timeout_at(give_up, self.queue.recv()).await else { return };
            self.push(job);
            self.receive();
        }
    }

    fn receive(&mut self) {
        while let Ok(job) = self.queue.try_recv() {
            self.push(job);
        }
    }

    fn push(&mut self, job: Job) {
        self.rows += job.rows.len();
        self.waiting.push_back(job);
    }

    /// The oldest requests, up to the limit, and at least one.
    fn take(&mut self) -> Vec<Job> {
        let mut rows = 0;
        let fits = |job: &&Job| {
            let first = rows == 0;
            rows += job.rows.len();
            first || rows <= self.most
        };
        let n_jobs = self.waiting.iter().take_while(fits).count();
        let batch: Vec<_> = self.waiting.drain(..n_jobs).collect();
        self.rows -= batch.iter().map(|job| job.rows.len()).sum::<usize>();
        batch
    }
}
