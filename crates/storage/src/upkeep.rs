//! What the record needs from time to time, from a user who may do more than write it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::{Object, Pool};
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::listing::{Listed, listing};
use crate::partitions::{self, Span};
use crate::parts::first_id_at;
use crate::{Database, Error, clocks, deadlines, leaving, session, spans};

/// The advisory lock of whoever keeps the record up: "upkeep" in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"\0\0upkeep");
const TRY: &str = "select pg_try_advisory_lock($1)";
const WAIT: &str =
    "select pg_advisory_lock($1) is not null from set_config('lock_timeout', '120s', false)";

/// How many partitions are made in one pass for what no partition has taken.
const STRAY_SPANS: usize = 100;

/// Keeps the record up: makes partitions ahead of time, takes out those that are old enough and removes them, deletes
/// expired answers, and brings the schema up to date.
///
/// Its user owns the tables; who only writes need not.
#[derive(Debug, Clone)]
pub struct Upkeep {
    pub(crate) database: Database,
    sessions: Pool,
    rules: Rules,
}

/// For how long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Records; without it, for ever.
    pub retain_days: Option<u16>,
    /// Answers to requests with an idempotency key.
    pub answers_kept: Duration,
}

/// The outcome of a pass.
#[derive(Debug, Default)]
pub struct Done {
    /// The partitions that were made, by the suffix of their tables' names.
    pub made: Vec<String>,
    /// Those that were taken out of the record; [`Upkeep::remove`] gives their room back.
    pub left: Vec<String>,
    /// How many rows were moved from the default partition to where they belong.
    pub moved: u64,
    /// How many old rows were deleted: from the default partition, and from partitions that span more time than the rules say.
    pub deleted: u64,
    /// How many expired answers were deleted.
    pub forgotten: u64,
    /// Partitions that span much more time than the rules say, so that what is in them leaves late.
    pub too_long: Vec<TooLong>,
    /// The steps that failed; each of the others was taken all the same.
    pub undone: Vec<Undone>,
}

/// A step that failed.
#[derive(Debug)]
pub struct Undone {
    /// The step, as an infinitive.
    pub step: String,
    /// The reason.
    pub error: Error,
}

/// A partition that spans much more time than the rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLong {
    /// The suffix of its tables' names.
    pub suffix: String,
    /// When it begins; the first partition has no beginning.
    pub from: Option<DateTime<Utc>>,
    /// When it ends.
    pub to: DateTime<Utc>,
}

impl Rules {
    /// How many days a partition spans: of what is kept for a while there are some thirty.
    fn days(&self) -> TimeDelta {
        TimeDelta::days(self.retain_days.map_or(30, |days| i64::from(days / 30).max(1)))
    }
}

impl Upkeep {
    /// Of the record in this database. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// Fails if the pool cannot be set up.
    pub fn new(database: Database, rules: Rules) -> Result<Self, Error> {
        let sessions = session::upkeep(&database)?;
        Ok(Self { database, sessions, rules })
    }

    /// Where the record is, and who keeps it up.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Does what is to be done now; nothing if another process is at it. Each step is by itself: one that fails, as somebody
    /// holds a table for longer than [`UPKEEP_LOCK`](crate::deadlines::UPKEEP_LOCK) or the user [may not](Error::is_denied),
    /// is [told](Done::undone), and is for the next time.
    ///
    /// # Errors
    ///
    /// Fails if the database is away, or if its clock and this machine's are far apart.
    pub async fn pass(&self, now: DateTime<Utc>) -> Result<Option<Done>, Error> {
        let Some(mut session) = self.lock(TRY).await? else {
            return Ok(None);
        };
        let done = self.keep_up(&mut session, now).await;
        release(session);
        done.map(Some)
    }

    /// The same, but waits for another process that is at it, so that afterwards all is done.
    ///
    /// # Errors
    ///
    /// As [`pass`](Self::pass).
    pub async fn pass_in_turn(&self, now: DateTime<Utc>) -> Result<Done, Error> {
        let Some(mut session) = self.lock(WAIT).await? else {
            return Ok(Done::default());
        };
        let done = self.keep_up(&mut session, now).await;
        release(session);
        done
    }

    /// Removes a piece of what was taken out of the record from the disk, which may keep the disk busy, once no other
    /// process is at it. Says after which rest there is another piece to be removed, if there is.
    ///
    /// # Errors
    ///
    /// As [`pass`](Self::pass).
    pub async fn remove(&self) -> Result<Option<Duration>, Error> {
        let Some(session) = self.lock(WAIT).await? else {
            return Ok(None);
        };
        let rest = leaving::remove_a_piece(&session).await;
        release(session);
        rest
    }

    /// A session that has the lock of the upkeep, if it could be had, and waits only a moment for others.
    async fn lock(&self, lock: &str) -> Result<Option<Object>, Error> {
        let action = "take the lock for the upkeep";
        let session =
            self.sessions.get().await.map_err(|error| Error::Unreachable(error.into()))?;
        let row = session.query_typed_one(lock, &[(&LOCK, Type::INT8)]).await;
        let taken: bool = row.map_err(Error::query(action))?.get(0);
        if !taken {
            return Ok(None);
        }
        let patience = format!("set lock_timeout = {}", deadlines::UPKEEP_LOCK.as_millis());
        match session.batch_execute(&patience).await {
            Ok(()) => Ok(Some(session)),
            Err(error) => {
                release(session);
                Err(Error::query(action)(error))
            }
        }
    }

    async fn keep_up(&self, session: &mut Object, now: DateTime<Utc>) -> Result<Done, Error> {
        // First of all: a wrong clock makes partitions where they do not belong, and takes out what is still needed.
        clocks::check(session, now).await?;
        let mut done = Done::default();
        let days = self.rules.days();
        let existing = whole(session).await?;
        done.too_long = spans::too_long(&existing, now, days);
        for span in spans::missing(&existing, now, days) {
            done.make(session, &span).await?;
        }
        let made = self.make_for_strays(session, now, &mut done).await;
        done.note("find a partition for rows that have none", made)?;
        let granted = partitions::grant(&*session).await;
        done.note("let others read the partitions", granted)?;
        if let Some(days) = self.rules.retain_days {
            let cutoff = now - TimeDelta::days(days.into());
            self.retain(session, existing, cutoff, &mut done).await?;
        }
        let forgotten = forget_answers(session, self.rules.answers_kept).await;
        done.forgotten = done.note("delete expired answers", forgotten)?.unwrap_or_default();
        Ok(done)
    }

    /// Takes out the partitions that end before this time, and deletes rows that are older by more than a partition spans:
    /// they are where the rules were others when their partition was made.
    async fn retain(
        &self,
        session: &mut Object,
        existing: Vec<Listed>,
        cutoff: DateTime<Utc>,
        done: &mut Done,
    ) -> Result<(), Error> {
        let overdue = cutoff - self.rules.days();
        for Listed { suffix, from, to, .. } in existing {
            let Some(suffix) = suffix else { continue };
            let name = suffix.trim_start_matches('_');
            if to <= first_id_at(cutoff) {
                let taken = leaving::take_out(session, &suffix).await;
                if done
                    .note(&format!("take the partition {name} out of the record"), taken)?
                    .is_some()
                {
                    done.left.push(suffix);
                }
            } else if from < first_id_at(overdue) {
                let deleted = leaving::delete_overdue(session, &suffix, overdue).await;
                let step = format!("delete the old rows of the partition {name}");
                done.deleted += done.note(&step, deleted)?.unwrap_or_default();
            }
        }
        let deleted = leaving::delete_strays(session, cutoff).await;
        let step = "delete the old rows of the default partition";
        done.deleted += done.note(step, deleted)?.unwrap_or_default();
        Ok(())
    }

    /// Makes partitions for rows that no partition took, as after a long time without upkeep.
    async fn make_for_strays(
        &self,
        session: &mut Object,
        now: DateTime<Utc>,
        done: &mut Done,
    ) -> Result<(), Error> {
        // Ids beyond have their partitions in time.
        const OLDEST: &str =
            "select id from prediction_default where id >= $1 and id < $2 order by id limit 1";
        // What is older than all partitions is left to the retention.
        let ends = whole(session).await?.into_iter().map(|it| it.to);
        let Some(mut least) = ends.min() else { return Ok(()) };
        for _ in 0..STRAY_SPANS {
            let bounds = [(&least as _, Type::UUID), (&first_id_at(now) as _, Type::UUID)];
            let rows = session.query_typed(OLDEST, &bounds).await;
            let rows = rows.map_err(Error::query("look at the default partition"))?;
            let Some(id) = rows.first().map(|row| row.get::<_, Uuid>(0)) else { return Ok(()) };
            let existing = whole(session).await?;
            let Some(span) = spans::around(&existing, id, self.rules.days()) else { return Ok(()) };
            done.make(session, &span).await?;
            least = first_id_at(span.to);
        }
        Ok(())
    }
}

impl Done {
    /// Makes a partition, and notes it.
    async fn make(&mut self, session: &mut Object, span: &Span) -> Result<(), Error> {
        let suffix = span.suffix();
        let step = format!("make the partition {}", suffix.trim_start_matches('_'));
        let made = partitions::make(session, span).await;
        if let Some(moved) = self.note(&step, made)? {
            self.moved += moved;
            self.made.push(suffix.clone());
            if moved > 0 {
                let tidied = partitions::tidy(session, &suffix).await;
                self.note("clean up after rows that were moved", tidied)?;
            }
        }
        Ok(())
    }

    /// The outcome of a step. If it failed, it is noted; nothing goes on without a connection.
    fn note<T>(&mut self, step: &str, outcome: Result<T, Error>) -> Result<Option<T>, Error> {
        match outcome {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.is_lost_connection() => Err(error),
            Err(error) => {
                if self.undone.iter().all(|it| it.step != step) {
                    self.undone.push(Undone { step: step.to_owned(), error });
                }
                Ok(None)
            }
        }
    }
}

/// The partitions but for the default, the oldest first.
async fn whole(session: &Object) -> Result<Vec<Listed>, Error> {
    let mut listed = listing(session).await.map_err(Error::query("look at the partitions"))?;
    listed.retain(|it| !it.is_default);
    Ok(listed)
}

/// Ends the session, which releases the lock and forgets its settings.
fn release(session: Object) {
    drop(Object::take(session));
}

/// Deletes the answers that are older than this, some at a time.
async fn forget_answers(session: &Object, older_than: Duration) -> Result<u64, Error> {
    const FORGET: &str = "
        delete from idempotency_key where (caller, key) in (
            select caller, key from idempotency_key
            where created_at < now() - make_interval(secs => $1) order by created_at limit 1000
        )";
    let seconds = older_than.as_secs_f64();
    let mut forgotten = 0;
    loop {
        let some = session.execute_typed(FORGET, &[(&seconds, Type::FLOAT8)]).await;
        let some = some.map_err(Error::query("delete expired answers"))?;
        forgotten += some;
        if some == 0 {
            return Ok(forgotten);
        }
    }
}
