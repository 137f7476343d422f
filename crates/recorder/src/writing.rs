//! The writer: takes what is waiting as one batch, predicts it, commits it, and answers.

use std::ops::Range;
use std::sync::Arc;

use domain::{Measurements, Record};
use inference::Model;
use storage::Writer;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::job::Job;
use crate::{Error, Limits};

/// How many requests are taken from the queue at once.
const TAKE: usize = 1_024;

/// The task behind a recorder.
#[derive(Debug)]
pub(crate) struct Writing {
    model: Arc<Model>,
    model_version: Arc<str>,
    writer: Writer,
    limits: Limits,
}

/// A predicted request: where its records stand in the batch.
struct Predicted {
    job: Job,
    records: Range<usize>,
}

impl Writing {
    pub(crate) fn new(model: Arc<Model>, writer: Writer, limits: Limits) -> Self {
        let model_version = model.version().into();
        Self { model, model_version, writer, limits }
    }

    /// Carries out what is queued until the queue is closed and empty.
    pub(crate) async fn run(self, mut queue: UnboundedReceiver<Job>) {
        let mut waiting = Vec::with_capacity(TAKE);
        while queue.recv_many(&mut waiting, TAKE).await > 0 {
            let mut waiting = waiting.drain(..).peekable();
            while waiting.peek().is_some() {
                let mut rows = 0;
                let mut batch = Vec::new();
                while let Some(job) = waiting
                    .next_if(|job| rows == 0 || rows + job.rows.len() <= self.limits.batch_rows)
                {
                    rows += job.rows.len();
                    batch.push(job);
                }
                self.carry_out(batch).await;
            }
        }
    }

    async fn carry_out(&self, mut batch: Vec<Job>) {
        // Nobody waits for these, and none of their rows is written; their callers were told that the time ran out.
        let now = Instant::now();
        for expired in batch.extract_if(.., |job| job.deadline <= now) {
            expired.answer(Err(Error::TimedOut));
        }
        let (jobs, records) = self.predict(batch);

        // Most often one write for the whole batch; halves of it if the database refuses some of its rows.
        let mut parts = vec![jobs];
        while let Some(mut part) = parts.pop() {
            let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
            let written = &records[first.records.start..last.records.end];
            match self.write(written).await {
                Ok(()) => {
                    for Predicted { job, records: own } in part {
                        job.answer(Ok(records[own].to_vec()));
                    }
                }
                Err(error) if error.is_refusal() && part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Err(error) => {
                    let refused = error.is_refusal();
                    let error = Arc::new(error);
                    for Predicted { job, .. } in part {
                        let error = Arc::clone(&error);
                        job.answer(Err(if refused {
                            Error::Refused(error)
                        } else {
                            Error::Unavailable(error)
                        }));
                    }
                }
            }
        }
    }

    /// One pass for all the jobs; if the model fails, one for each, so that a job fails only on its own rows.
    fn predict(&self, batch: Vec<Job>) -> (Vec<Predicted>, Vec<Record>) {
        let rows: Vec<Measurements> =
            batch.iter().flat_map(|job| job.rows.iter().copied()).collect();
        let together = self.model.predict_batch(&rows);

        let mut records = Vec::with_capacity(rows.len());
        let mut predicted = Vec::with_capacity(batch.len());
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
            predicted.push(Predicted { job, records: start..records.len() });
        }
        (predicted, records)
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
