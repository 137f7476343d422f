//! What the record needs from time to time, from a user who may do more than write it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::{Object, Pool};
use tokio_postgres::types::Type;

use crate::leaving;
use crate::listing::{Listed, listing};
use crate::partitions::{self, Span};
use crate::parts::{first_id_at, time_of};
use crate::{Database, Error, deadlines, session};

/// The advisory lock of whoever keeps the record up: "upkeep" in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"\0\0upkeep");
const TRY: &str = "select pg_try_advisory_lock($1)";
const WAIT: &str =
    "select pg_advisory_lock($1) is not null from set_config('lock_timeout', '120s', false)";

/// For how long partitions are there ahead of time.
const AHEAD: TimeDelta = TimeDelta::days(3);

/// How far the clocks of this machine and of the database's may be apart before nothing is dropped.
const CLOCKS_APART: TimeDelta = TimeDelta::hours(1);

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

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// The partitions that were made, by the suffix of their tables' names.
    pub made: Vec<String>,
    /// Those that were taken out of the record; [`Upkeep::remove`] gives their room back.
    pub left: Vec<String>,
    /// How many rows were moved from the default partition to where they belong.
    pub moved: u64,
    /// How many old rows were deleted from the default partition.
    pub deleted: u64,
    /// How many expired answers were deleted.
    pub forgotten: u64,
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

    /// Does what is to be done now; nothing if another process is at it.
    ///
    /// # Errors
    ///
    /// Fails if the database is away, if the user [may not](Error::is_denied), or if somebody holds a table for longer than
    /// [`UPKEEP_LOCK`](crate::deadlines::UPKEEP_LOCK). What was done until then is done; the rest is for the next time.
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
        let mut done = Done::default();
        let mut existing =
            listing(session).await.map_err(Error::query("look at the partitions"))?;
        existing.retain(|it| !it.is_default);
        for span in missing(&existing, now, self.rules.days()) {
            done.moved += partitions::make(session, &span).await?;
            done.made.push(span.suffix());
        }
        partitions::grant(session).await?;
        if let Some(days) = self.rules.retain_days {
            let cutoff = now - TimeDelta::days(days.into());
            self.check_clock(session, now).await?;
            for Listed { suffix, to, .. } in existing {
                if to <= first_id_at(cutoff)
                    && let Some(suffix) = suffix
                {
                    leaving::take_out(session, &suffix).await?;
                    done.left.push(suffix);
                }
            }
            done.deleted = leaving::delete_strays(session, cutoff).await?;
        }
        done.forgotten = forget_answers(session, self.rules.answers_kept).await?;
        Ok(done)
    }

    /// A clock that is wrong must not have the record dropped.
    async fn check_clock(&self, session: &Object, now: DateTime<Utc>) -> Result<(), Error> {
        let row = session.query_typed_one("select now()", &[]).await;
        let theirs: DateTime<Utc> = row.map_err(Error::query("ask for the time"))?.get(0);
        if (theirs - now).abs() > CLOCKS_APART {
            return Err(Error::ClocksApart { ours: now, theirs });
        }
        Ok(())
    }
}

/// Ends the session, which releases the lock and forgets its settings.
fn release(session: Object) {
    drop(Object::take(session));
}

/// The spans that are to be made, so that the time from now on is covered for long enough.
fn missing(existing: &[Listed], now: DateTime<Utc>, days: TimeDelta) -> Vec<Span> {
    let mut missing = Vec::new();
    let mut time = now;
    while time < now + AHEAD {
        let id = first_id_at(time);
        let next = match existing.iter().find(|it| it.from <= id && id < it.to) {
            Some(it) => time_of(it.to),
            None => {
                // From the end of the one before, so that after a pause what came meanwhile has its place; until the next.
                let before = existing.iter().map(|it| it.to).filter(|to| *to <= id);
                let before =
                    before.filter_map(time_of).chain(missing.last().map(|it: &Span| it.to));
                let from = before.max();
                let after = existing.iter().map(|it| it.from).filter(|from| *from > id).min();
                let midnight = partitions::midnight(time);
                let end = from.map_or(midnight, |from| midnight.max(from)) + days;
                let to = after.and_then(time_of).map_or(end, |after| after.min(end));
                let is_first = from.is_none();
                let from = from.unwrap_or(midnight);
                missing.push(Span { from, to, is_first });
                Some(to)
            }
        };
        match next {
            Some(next) => time = next,
            None => break,
        }
    }
    missing
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

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn existing(from: Option<&str>, to: &str) -> Listed {
        let from = from.map_or(uuid::Uuid::nil(), |from| first_id_at(time(from)));
        Listed { suffix: None, is_default: false, from, to: first_id_at(time(to)), oid: 0 }
    }

    /// What is made at noon of the 25th, as days of November.
    fn made(existing: &[Listed], days: i64) -> Vec<(String, String, bool)> {
        let day = |time: DateTime<Utc>| {
            assert_eq!(partitions::midnight(time), time);
            time.format("%m-%d").to_string()
        };
        let missing = missing(existing, time("2026-11-25T12:00:00Z"), TimeDelta::days(days));
        missing.into_iter().map(|it| (day(it.from), day(it.to), it.is_first)).collect()
    }

    fn span(from: &str, to: &str, is_first: bool) -> (String, String, bool) {
        (from.to_owned(), to.to_owned(), is_first)
    }

    #[test]
    fn the_first_ones_cover_what_was_and_the_next_days() {
        assert_eq!(made(&[], 30), [span("11-25", "12-25", true)]);
        let daily = [
            span("11-25", "11-26", true),
            span("11-26", "11-27", false),
            span("11-27", "11-28", false),
            span("11-28", "11-29", false),
        ];
        assert_eq!(made(&[], 1), daily);
    }

    #[test]
    fn the_next_one_begins_where_the_last_one_ends() {
        let old = existing(None, "2026-11-28T00:00:00Z");
        assert_eq!(made(std::slice::from_ref(&old), 7), [span("11-28", "12-05", false)]);
        let next = existing(Some("2026-11-28T00:00:00Z"), "2026-12-28T00:00:00Z");
        assert_eq!(made(&[old, next], 7), []);
    }

    #[test]
    fn after_a_pause_one_takes_what_came_meanwhile() {
        let old = existing(None, "2026-11-01T00:00:00Z");
        let spans = [span("11-01", "12-02", false)];
        assert_eq!(made(&[old], 7), spans);
    }

    #[test]
    fn a_hole_is_filled_and_no_more() {
        let old = existing(None, "2026-11-20T00:00:00Z");
        let later = existing(Some("2026-11-27T00:00:00Z"), "2026-12-20T00:00:00Z");
        assert_eq!(made(&[old, later], 30), [span("11-20", "11-27", false)]);
    }
}
