//! The partitions of the record, each a span of ids and so of time.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use deadpool_postgres::Object;
use tokio_postgres::Error;
use uuid::Uuid;

use crate::listing::{Listed, listing};
use crate::part_statements::PartStatements;
use crate::statements::Statements;

/// One partition of each of the three tables, which are named after the table and with one suffix.
#[derive(Debug)]
pub(crate) struct Part {
    /// The smallest id that it takes.
    pub(crate) from: Uuid,
    /// The smallest id beyond it.
    pub(crate) to: Uuid,
    pub(crate) statements: PartStatements,
}

impl Part {
    fn takes(&self, id: Uuid) -> bool {
        self.from <= id && id < self.to
    }
}

/// All of them, as they were when they were looked at.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The newest first.
    pub(crate) parts: Vec<Part>,
    /// Of ids that no other takes; where there is none, the record has to be read as a whole.
    pub(crate) default: Option<Part>,
    /// Changes with the partitions.
    pub(crate) state: i64,
}

const STATE: &str = "select coalesce(sum(inhrelid::int8), 0)::int8 from pg_inherits where inhparent = 'prediction'::regclass";

impl Parts {
    /// Looks at them.
    pub(crate) async fn look(session: &Object, statements: &Statements) -> Result<Self, Error> {
        let mut found = Self { parts: Vec::new(), default: None, state: 0 };
        let mut is_ours = true;
        // The newest first.
        for Listed { suffix, is_default, from, to, oid } in
            listing(session).await?.into_iter().rev()
        {
            found.state += oid;
            let Some(suffix) = suffix else {
                is_ours = false;
                continue;
            };
            let part = Part { from, to, statements: statements.of_part(&suffix) };
            if is_default {
                found.default = Some(part);
            } else {
                found.parts.push(part);
            }
        }
        if !is_ours {
            // Somebody made one by another name: nothing of it must be missed.
            found.default = None;
        }
        Ok(found)
    }

    /// The state that the partitions are in now.
    pub(crate) async fn state(session: &Object) -> Result<i64, Error> {
        Ok(session.query_typed_one(STATE, &[]).await?.get(0))
    }

    /// The one that takes this id, unless it is the default.
    pub(crate) fn of(&self, id: Uuid) -> Option<&Part> {
        self.parts.iter().find(|part| part.takes(id))
    }
}

/// What is known of the partitions, for everybody who reads.
#[derive(Debug, Default)]
pub(crate) struct Known(RwLock<Option<(Instant, Arc<Parts>)>>);

impl Known {
    /// For how long it is believed; one that was made since then is read through the whole, which takes a little longer.
    const BELIEVED: Duration = Duration::from_secs(10);

    pub(crate) fn get(&self) -> Option<Arc<Parts>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (looked, parts) = known.as_ref()?;
        (looked.elapsed() < Self::BELIEVED).then(|| Arc::clone(parts))
    }

    pub(crate) fn set(&self, parts: Option<Arc<Parts>>) {
        let known = parts.map(|parts| (Instant::now(), parts));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// The smallest UUIDv7-like id with the milliseconds of this instant.
pub(crate) fn first_id_at(time: DateTime<Utc>) -> Uuid {
    const LAST: u64 = (1 << 48) - 1;
    let milliseconds = u64::try_from(time.timestamp_millis()).unwrap_or(0).min(LAST);
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

/// The first millisecond whose ids are all this one or beyond it.
pub(crate) fn time_of(id: Uuid) -> Option<DateTime<Utc>> {
    let milliseconds = id.as_u128().div_ceil(1 << 80);
    i64::try_from(milliseconds).ok().and_then(DateTime::from_timestamp_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_id_of_an_instant_has_its_milliseconds() {
        assert_eq!(first_id_at(time("1970-01-01T00:00:00.001Z")), Uuid::from_u128(1 << 80));
        assert_eq!(first_id_at(time("1900-01-01T00:00:00Z")), Uuid::nil());
        assert!(first_id_at(time("9999-12-31T23:59:59Z")) < Uuid::max());
        let day = time("2026-11-25T00:00:00Z");
        assert_eq!(time_of(first_id_at(day)), Some(day));
        let within = Uuid::from_u128(first_id_at(day).as_u128() + 1);
        assert_eq!(time_of(within), Some(time("2026-11-25T00:00:00.001Z")));
    }
}
