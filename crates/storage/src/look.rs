//! How large the record is, and whether its partitions are kept up.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::parts::time_of;
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
    /// Until when there is a partition; nothing if there is none at all.
    pub covered_until: Option<DateTime<Utc>>,
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
    max(substring(bounds from 'TO \\(''([0-9a-f-]{36})''\\)'))::uuid
    from pg_inherits join pg_class on oid = inhrelid, pg_get_expr(relpartbound, oid) as bounds
    where inhparent = 'prediction'::regclass";

/// Asked by itself, as it takes a lock of its table.
pub(crate) const STRAYS: &str =
    "select count(*) from (select from prediction_default limit 100000) as strays";

impl Store {
    /// Looks at the record as a whole.
    ///
    /// It costs a look at each file of each table, so it is nothing to be asked with every request.
    ///
    /// # Errors
    ///
    /// Fails if the database is away or takes longer than [`deadlines::READ`](crate::deadlines::READ).
    pub async fn look(&self) -> Result<Look, Error> {
        let strays = self.read_primary(&Question::Strays).await?;
        let rows = self.read_primary(&Question::Look).await?;
        let number = |rows: &[Row], place| {
            rows.first().map_or(0, |row| row.get::<_, i64>(place).unsigned_abs())
        };
        Ok(Look {
            bytes: number(&rows, 0),
            partitions: number(&rows, 1),
            strays: number(&strays, 0),
            covered_until: rows.first().and_then(|row| row.get(2)).and_then(time_of),
        })
    }
}
