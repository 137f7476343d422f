//! A predicted batch on its way to the record, and the callers who wait for it.

use std::collections::VecDeque;
use std::pin::pin;
use std::vec;

use domain::Record;
use tokio::time::{Instant, timeout_at};

use crate::job::{Job, Outcome};

/// The requests of a batch that are not settled yet, oldest first, and their records in the same order.
#[derive(Debug)]
pub(crate) struct Batch {
    requests: VecDeque<Request>,
    records: vec::IntoIter<Record>,
}

/// A predicted request, and how many of the records are its own.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) job: Job,
    pub(crate) n_records: usize,
}

impl Batch {
    pub(crate) fn new(requests: Vec<Request>, records: Vec<Record>) -> Self {
        Self { requests: requests.into(), records: records.into_iter() }
    }

    /// How many requests are not settled.
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// How many records the first `n` requests have.
    pub(crate) fn n_records(&self, n: usize) -> usize {
        self.requests.iter().take(n).map(|request| request.n_records).sum()
    }

    /// Writes the records of the first `n` requests. Callers whose time runs out meanwhile are told so at once.
    pub(crate) async fn write<T>(
        &mut self,
        n: usize,
        write: impl AsyncFnOnce(&[Record]) -> T,
    ) -> T {
        let n_records = self.n_records(n);
        let mut written = pin!(write(&self.records.as_slice()[..n_records]));
        // One timer for the batch; one for each caller would be set and dropped with every request.
        while let Some(next) = self.requests.iter().find(|request| request.job.is_awaited()) {
            if let Ok(done) = timeout_at(next.job.deadline, &mut written).await {
                return done;
            }
            let now = Instant::now();
            let late = self.requests.iter_mut().filter(|request| request.job.deadline <= now);
            late.for_each(|request| request.job.expire());
        }
        written.await
    }

    /// Settles the first `n` requests: each caller gets its own records.
    pub(crate) fn answer(&mut self, n: usize) {
        for Request { job, n_records } in self.requests.drain(..n) {
            job.answer(Ok(self.records.by_ref().take(n_records).collect()));
        }
    }

    /// Settles the first `n` requests, which have no record or none that is sure.
    pub(crate) fn fail(&mut self, n: usize, outcome: impl Fn() -> Outcome) {
        for Request { job, n_records } in self.requests.drain(..n) {
            self.records.by_ref().take(n_records).for_each(drop);
            job.answer(outcome());
        }
    }
}
