//! How large the record is, and whether its partitions are kept up.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::parts::{first_id_at, time_of};
use crate::reading::Question;
use crate::{Error, Store};

/// The record, as it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The bytes of its tables and indexes, the answers that are kept for keys included.
    pub bytes: u64,
    /// How many partitions there are, but for the default.
    pub partitions: u64,
    /// How many predictions are in the default partition, where there should be none; counted up to 100,000.
    pub strays: u64,
    /// Until when there are partitions without a gap from now on; nothing if there is none at all.
    pub covered_until: Option<DateTime<Utc>>,
    /// When the oldest prediction was made; nothing if there is none.
    pub oldest: Option<DateTime<Utc>>,
}

/// A partitioned table is as large as its partitions. No lock is kept from one to the next: whoever alters a table takes
/// it first and its partitions then, and would meet whoever keeps a partition and waits for the table.
pub(crate) const LOOK: &str = "
    select (
        select coalesce(sum(pg_total_relation_size(part)), 0)::int8
        from (values ('raw_data'::regclass), ('prediction'), ('truth'), ('idempotency_key')) tables (whole)
        cross join lateral (
            select whole as part union all select inhrelid from pg_inherits where inhparent = whole
        ) parts
    ), count(*) filter (where bounds <> 'DEFAULT'),
    array_agg(substring(bounds from 'FROM [(]''([0-9a-f-]{36})''[)]')::uuid) filter (where bounds <> 'DEFAULT'),
    array_agg(substring(bounds from 'TO [(]''([0-9a-f-]{36})''[)]')::uuid) filter (where bounds <> 'DEFAULT')
    from pg_inherits join pg_class on oid = inhrelid, pg_get_expr(relpartbound, oid) as bounds
    where inhparent = 'prediction'::regclass";

/// Asked by itself, as it takes a lock of its table.
pub(crate) const STRAYS: &str =
    "select count(*) from (select from prediction_default limit 100000) as strays";

/// The first by its id, which begins with its time.
pub(crate) const OLDEST: &str = "select \"timestamp\" from prediction order by id limit 1";

impl Store {
    /// Looks at the record as a whole.
    ///
    /// It costs a look at each file of each table, so it is nothing to be asked with every request.
    ///
    /// # Errors
    ///
    /// Fails if the database is away or takes longer than [`deadlines::READ`](crate::deadlines::READ).
    pub async fn look(&self) -> Result<Look, Error> {
        let strays = self.read_primary(&Question::Strays).await?.rows;
        let rows = self.read_primary(&Question::Look).await?.rows;
        let oldest = self.read_primary(&Question::Oldest).await?.rows;
        let number = |rows: &[Row], place| {
            rows.first().map_or(0, |row| row.get::<_, i64>(place).unsigned_abs())
        };
        let now = SystemTime::now().into();
        Ok(Look {
            bytes: number(&rows, 0),
            partitions: number(&rows, 1),
            strays: number(&strays, 0),
            covered_until: rows.first().and_then(|row| covered_until(&bounds(row), now)),
            oldest: oldest.first().and_then(|row| row.try_get(0).ok()),
        })
    }
}

/// The bounds of the partitions: each takes the ids from the first one to before the second.
fn bounds(row: &Row) -> Vec<(Uuid, Uuid)> {
    let column = |place| row.get::<_, Option<Vec<Option<Uuid>>>>(place).unwrap_or_default();
    let from = column(2).into_iter().map(|from| from.unwrap_or(Uuid::nil()));
    from.zip(column(3).into_iter().map(|to| to.unwrap_or(Uuid::max()))).collect()
}

/// Until when every id has a partition. One that is made for another time, as by a wrong clock, says nothing about now.
fn covered_until(bounds: &[(Uuid, Uuid)], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if bounds.is_empty() {
        return None;
    }
    let mut end = first_id_at(now);
    while let Some((_, to)) = bounds.iter().find(|(from, to)| *from <= end && end < *to) {
        end = *to;
    }
    time_of(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_ends_what_is_covered() {
        let day = |day: &str| format!("2026-11-{day}T00:00:00Z").parse::<DateTime<Utc>>().unwrap();
        let bound = |from: &str, to: &str| (first_id_at(day(from)), first_id_at(day(to)));
        let first = (Uuid::nil(), first_id_at(day("10")));
        let bounds = [bound("12", "14"), first, bound("10", "12"), bound("20", "30")];
        for (now, until) in [("09", "14"), ("11", "14"), ("15", "15"), ("25", "30")] {
            assert_eq!(covered_until(&bounds, day(now)), Some(day(until)), "{now}");
        }
        assert_eq!(covered_until(&[], day("09")), None);
        let endless = covered_until(&[(Uuid::nil(), Uuid::max())], day("09")).unwrap();
        assert!(endless > day("30"));
    }
}
