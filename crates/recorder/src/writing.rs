//! The writer: takes what is waiting as one batch, predicts it, commits it, and answers.

use std::sync::Arc;

use domain::{Measurements, Record};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use inference::Model;
use storage::Writer;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use crate::batch::{Batch, Request};
use crate::gathering::Gathering;
use crate::job::Job;
use crate::pace::{Pace, Written};
use crate::{Error, Limits};

/// The task behind a recorder.
#[derive(Debug)]
pub(crate) struct Writing {
    model: Arc<Model>,
    model_version: Arc<str>,
    writer: Writer,
    limits: Limits,
}

impl Writing {
    pub(crate) fn new(model: Arc<Model>, writer: Writer, limits: Limits) -> Self {
        let model_version = model.version().into();
        Self { model, model_version, writer, limits }
    }

    /// Carries out what is queued until the queue is closed and empty.
    pub(crate) async fn run(self, queue: UnboundedReceiver<Job>) {
        let mut gathering = Gathering::new(queue, self.limits.batch_rows);
        let mut pace = Pace::default();
        let mut under_way = FuturesUnordered::new();
        let mut rows_under_way = 0;
        let mut open = true;
        loop {
            let deadline =
                gathering.deadline().unwrap_or_else(|| Instant::now() + self.limits.deadline);
            tokio::select! {
                biased;
                Some((rows, written)) = under_way.next(), if !under_way.is_empty() => {
                    pace.learn(written, rows_under_way + gathering.waiting());
                    rows_under_way -= rows;
                }
                batch = gathering.batch(pace.aim(rows_under_way)),
                    if open && under_way.len() < pace.depth() =>
                {
                    match batch {
                        Some(batch) => {
                            rows_under_way += rows_of(&batch);
                            under_way.push(self.carry_out(batch, !under_way.is_empty()));
                        }
                        None => open = false,
                    }
                }
                // Who comes while nobody waits has a later deadline than this.
                () = sleep_until(deadline), if !under_way.is_empty() => gathering.expire(),
                else => return,
            }
        }
    }

    /// Predicts, writes and answers; says how many rows those were, and how the write went if it went well at once.
    async fn carry_out(
        &self,
        mut batch: Vec<Job>,
        beside_another: bool,
    ) -> (usize, Option<Written>) {
        let rows = rows_of(&batch);
        // None of these rows is written: their callers are told that the time has run out.
        let now = Instant::now();
        for expired in batch.extract_if(.., |job| job.deadline <= now) {
            expired.answer(Err(Error::TimedOut));
        }
        let mut batch = self.predict(batch);

        // Most often one write for the whole batch; halves of it, from left to right, if the database refuses some rows.
        let mut parts = vec![batch.len()];
        let mut first = None;
        while let Some(n) = parts.pop().filter(|n| *n > 0) {
            let started = Instant::now();
            match batch.write(n, async |records| self.write(records).await).await {
                Ok(()) => {
                    let rows = u32::try_from(batch.n_records(n)).unwrap_or(u32::MAX);
                    first.get_or_insert(Written { rows, took: started.elapsed(), beside_another });
                    batch.answer(n);
                }
                Err(error) if error.is_refusal() && n > 1 => parts.extend([n - n / 2, n / 2]),
                Err(error) => {
                    let refused = error.is_refusal();
                    let error = Arc::new(error);
                    batch.fail(n, || {
                        let error = Arc::clone(&error);
                        Err(if refused { Error::Refused(error) } else { Error::Unavailable(error) })
                    });
                }
            }
        }
        (rows, first)
    }

    /// One pass for all the jobs; if the model fails, one for each, so that a job fails only on its own rows.
    fn predict(&self, batch: Vec<Job>) -> Batch {
        let rows: Vec<Measurements> =
            batch.iter().flat_map(|job| job.rows.iter().copied()).collect();
        let together = self.model.predict_batch(&rows);

        let mut records = Vec::with_capacity(rows.len());
        let mut requests = Vec::with_capacity(batch.len());
        let mut row = 0;
        for job in batch {
            let own = row..row + job.rows.len();
            row = own.end;
            let start = records.len();
            match &together {
                Ok(predictions) => {
                    records.extend(job.records(&predictions[own], &self.model_version));
                }
                Err(_) => match self.model.predict_batch(&job.rows) {
                    Ok(predictions) => {
                        records.extend(job.records(&predictions, &self.model_version));
                    }
                    Err(error) => {
                        job.answer(Err(Error::Model(Arc::new(error))));
                        continue;
                    }
                },
            }
            requests.push(Request { job, n_records: records.len() - start });
        }
        Batch::new(requests, records)
    }

    /// Writes, and if the connection is lost on the way, writes again what is not there.
    async fn write(&self, records: &[Record]) -> Result<(), storage::Error> {
        match self.writer.write(records).await {
            Err(error) if error.is_lost_connection() => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    rows = records.len(),
                    "the connection was lost while writing; writing again"
                );
                self.writer.write_again(records).await
            }
            done => done,
        }
    }
}

fn rows_of(batch: &[Job]) -> usize {
    batch.iter().map(|job| job.rows.len()).sum()
}
