//! The writer: takes what is waiting as one batch, predicts it, has it settled, and keeps trying while the database is away.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use domain::{Causes, Measurements, Prediction};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use inference::Model;
use storage::Writer;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use crate::aside::{Aside, Replayed};
use crate::batch::Batch;
use crate::circuit::Circuit;
use crate::gathering::Gathering;
use crate::job::Job;
use crate::pace::{Pace, Written};
use crate::pressure::Pressure;
use crate::settling::{Settled, settle};
use crate::throughput::Throughput;
use crate::{Error, Limits, Observer};

/// How long bringing back what was put aside rests when it cannot go on.
const REST: Duration = Duration::from_secs(1);

/// So many batches at once may be on their way to the disk.
const ASIDE_AT_ONCE: usize = 4;

/// The task behind a recorder.
#[derive(Debug)]
pub(crate) struct Writing {
    model: Arc<Model>,
    model_version: Arc<str>,
    writer: Writer,
    aside: Option<Aside>,
    limits: Limits,
    pressure: Arc<Pressure>,
    observer: Arc<dyn Observer>,
}

/// A batch that was carried out.
#[derive(Debug)]
struct Carried {
    rows: usize,
    /// How the first write went, if it went well at once.
    written: Option<Written>,
    /// What may be on the record or not.
    in_doubt: Batch,
    /// What it says about the database; nothing, if that was not asked.
    database: Option<Database>,
}

/// A trial whether the database is back.
#[derive(Debug)]
struct Tried {
    in_doubt: Batch,
    /// Whether something was written.
    wrote: bool,
    database: Database,
    /// Whether what was put aside cannot be brought back at the moment.
    stalled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Database {
    There,
    Away,
}

impl Writing {
    pub(crate) fn new(
        model: Arc<Model>,
        writer: Writer,
        aside: Option<Aside>,
        limits: Limits,
        pressure: Arc<Pressure>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let model_version = model.version().into();
        Self { model, model_version, writer, aside, limits, pressure, observer }
    }

    /// Carries out what is queued until the queue is closed and empty, and nothing is in doubt.
    pub(crate) async fn run(self, queue: UnboundedReceiver<Job>, mut circuit: Circuit) {
        let mut gathering = Gathering::new(queue, self.limits.batch_rows);
        let mut pace = Pace::default();
        let mut throughput = Throughput::new(self.limits);
        let mut under_way = FuturesUnordered::new();
        let mut rows_under_way = 0;
        let mut trials = FuturesUnordered::new();
        let mut in_doubt = Batch::default();
        let mut rows_on_trial = 0;
        let mut rested = Instant::now();
        let mut open = true;
        loop {
            // Who comes while nobody waits has a later deadline than this.
            let deadline =
                gathering.deadline().unwrap_or_else(|| Instant::now() + self.limits.deadline);
            let replay_at = self.has_put_aside().then_some(rested);
            let trial_at = circuit.trial_at().or(replay_at).filter(|_| trials.is_empty());
            let alarm = trial_at.map_or(deadline, |trial_at| trial_at.min(deadline));
            let rows_in_doubt = in_doubt.n_records(in_doubt.len()) + rows_on_trial;
            self.pressure.set_in_work(rows_under_way + rows_in_doubt);
            let at_once = if circuit.is_open() { ASIDE_AT_ONCE } else { pace.depth() };
            tokio::select! {
                biased;
                Some(carried) = under_way.next(), if !under_way.is_empty() => {
                    let Carried { rows, written, in_doubt: left, database } = carried;
                    let waiting = gathering.waiting();
                    pace.learn(written, rows_under_way + waiting);
                    throughput.learn(Instant::now(), written, waiting);
                    self.pressure.set_reach(throughput.reach());
                    rows_under_way -= rows;
                    in_doubt.append(left);
                    match database {
                        Some(Database::There) => circuit.wrote(),
                        Some(Database::Away) => circuit.failed(),
                        None => {}
                    }
                }
                Some(tried) = trials.next(), if !trials.is_empty() => {
                    let Tried { in_doubt: left, wrote, database, stalled } = tried;
                    rows_on_trial = 0;
                    in_doubt.append(left);
                    if wrote {
                        circuit.wrote();
                    }
                    if stalled {
                        rested = Instant::now() + REST;
                    }
                    match database {
                        Database::Away => circuit.failed(),
                        Database::There if in_doubt.len() == 0 => circuit.close(),
                        Database::There => circuit.try_more(),
                    }
                    if let (Some(aside), true) = (&self.aside, under_way.is_empty()) {
                        aside.write_off();
                    }
                }
                batch = gathering.batch(pace.aim(rows_under_way)),
                    if open && under_way.len() < at_once =>
                {
                    match batch {
                        Some(batch) => {
                            rows_under_way += rows_of(&batch);
                            let beside_another = !under_way.is_empty();
                            let in_time = Instant::now() + throughput.needed();
                            let is_away = circuit.is_open();
                            under_way.push(self.carry_out(batch, in_time, beside_another, is_away));
                        }
                        None => open = false,
                    }
                }
                () = sleep_until(alarm), if trial_at.is_some() || !under_way.is_empty() => {
                    gathering.expire();
                    if trial_at == Some(alarm) {
                        let some = in_doubt.split(in_doubt.requests_within(self.limits.batch_rows));
                        rows_on_trial = some.n_records(some.len());
                        trials.push(self.attempt(some, circuit.is_open()));
                    }
                }
                else => return,
            }
        }
    }

    fn has_put_aside(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.depth().entries > 0)
    }

    /// Writes what is in doubt, then some of what was put aside. `is_away`: asks first whether the database is back.
    async fn attempt(&self, in_doubt: Batch, is_away: bool) -> Tried {
        if is_away && let Err(error) = self.writer.check().await {
            tracing::debug!(error = %Causes(&error), "the database is still away");
            return Tried { in_doubt, wrote: false, database: Database::Away, stalled: false };
        }
        let settled = settle(&self.writer, &*self.observer, in_doubt, true).await;
        let mut tried = Tried {
            in_doubt: settled.in_doubt,
            wrote: settled.written.is_some(),
            database: if settled.away.is_some() { Database::Away } else { Database::There },
            stalled: false,
        };
        if let (Some(aside), Database::There, 0) =
            (&self.aside, tried.database, tried.in_doubt.len())
            && aside.depth().entries > 0
        {
            match aside.replay(&self.writer, self.limits.batch_rows).await {
                Replayed::Some => tried.wrote = true,
                Replayed::Away => tried.database = Database::Away,
                Replayed::Nothing | Replayed::Stalled => tried.stalled = true,
            }
        }
        tried
    }

    /// Predicts, writes and answers. `in_time`: when that is likely to be done. `is_away`: does not ask the database.
    async fn carry_out(
        &self,
        mut jobs: Vec<Job>,
        in_time: Instant,
        beside_another: bool,
        is_away: bool,
    ) -> Carried {
        let rows = rows_of(&jobs);
        // None of these rows is written: their callers are told that the time has run out, which is better than doubt.
        for expired in jobs.extract_if(.., |job| job.deadline <= in_time) {
            expired.unrecorded(Error::TimedOut);
        }
        if is_away {
            let in_doubt = match &self.aside {
                Some(aside) => aside.put(self.predict(jobs), false, &Error::Away).await,
                None => {
                    jobs.into_iter().for_each(|job| job.unrecorded(Error::Away));
                    Batch::default()
                }
            };
            return Carried { rows, written: None, in_doubt, database: None };
        }

        let later = repeated(&mut jobs);
        let settle = |batch| settle(&self.writer, &*self.observer, batch, false);
        let mut settled = settle(self.predict(jobs)).await;
        for job in later {
            // What has the same key is written by now, or never will be.
            if settled.away.is_some() {
                job.unrecorded(Error::Away);
                continue;
            }
            let next = settle(self.predict(vec![job])).await;
            settled.in_doubt.append(next.in_doubt);
            settled.unwritten.append(next.unwritten);
            settled.away = next.away;
        }
        let written = settled.written.map(|(rows, took)| Written {
            rows: u32::try_from(rows).unwrap_or(u32::MAX),
            took,
            beside_another,
        });
        let database = match settled.away {
            None if settled.in_doubt.len() == 0 => Database::There,
            _ => Database::Away,
        };
        let in_doubt = self.put_aside(settled).await;
        Carried { rows, written, in_doubt, database: Some(database) }
    }

    /// Puts aside what was not written because the database is away, or tells the callers; gives back what is in doubt.
    async fn put_aside(&self, settled: Settled) -> Batch {
        let Settled { mut in_doubt, mut unwritten, away: Some(error), .. } = settled else {
            return settled.in_doubt;
        };
        let absent = Error::Unavailable(Arc::clone(&error));
        let doubt = Error::InDoubt(Some(error));
        if let Some(aside) = &self.aside {
            let mut left = aside.put(in_doubt, true, &doubt).await;
            left.append(aside.put(unwritten, false, &absent).await);
            left
        } else {
            unwritten.refuse(&absent);
            in_doubt.doubt(&doubt);
            in_doubt
        }
    }

    /// One pass for all the jobs; if the model fails, one for each, so that a job fails only on its own rows.
    fn predict(&self, jobs: Vec<Job>) -> Batch {
        let rows: Vec<Measurements> =
            jobs.iter().flat_map(|job| job.rows.iter().copied()).collect();
        let together = self.predictions(&rows);

        let mut records = Vec::with_capacity(rows.len());
        let mut predicted = Vec::with_capacity(jobs.len());
        let mut row = 0;
        for job in jobs {
            let own = row..row + job.rows.len();
            row = own.end;
            let start = records.len();
            match &together {
                Ok(predictions) => {
                    records.extend(job.records(&predictions[own], &self.model_version));
                }
                Err(_) => match self.predictions(&job.rows) {
                    Ok(predictions) => {
                        records.extend(job.records(&predictions, &self.model_version));
                    }
                    Err(error) => {
                        job.unrecorded(error);
                        continue;
                    }
                },
            }
            predicted.push((job, records.len() - start));
        }
        Batch::new(predicted, records)
    }

    /// What the model makes of these rows. A panic ends there: else it would end the writer, and with it the service.
    fn predictions(&self, rows: &[Measurements]) -> Result<Vec<Prediction>, Error> {
        // A model never changes, so what panics leaves nothing behind in it.
        catch_unwind(AssertUnwindSafe(|| {
            #[cfg(feature = "fail-points")]
            fail::fail_point!("recorder::predict");
            self.model.predict_batch(rows)
        }))
        .map_err(|_panic| Error::Panicked)?
        .map_err(|error| Error::Model(Arc::new(error)))
    }
}

fn rows_of(jobs: &[Job]) -> usize {
    jobs.iter().map(|job| job.rows.len()).sum()
}

/// Takes out the jobs that have the key of one before them: one statement cannot take a key twice.
fn repeated(jobs: &mut Vec<Job>) -> Vec<Job> {
    if jobs.iter().filter(|job| job.once.is_some()).count() < 2 {
        return Vec::new();
    }
    let mut names = HashSet::new();
    let repeats = |job: &mut Job| job.once.as_ref().is_some_and(|once| !names.insert(once.name()));
    jobs.extract_if(.., repeats).collect()
}
