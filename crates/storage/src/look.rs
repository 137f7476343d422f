//! How large the record is, and whether its partitions are kept up.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

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

/// A partitioned table is as large as its partitions.
pub(crate) const LOOK: &str = "
    select (
        select coalesce(sum(pg_total_relation_size(part)), 0)::int8
        from (values ('raw_data'::regclass), ('prediction'), ('truth'), ('idempotency_key')) tables (whole)
        cross join lateral (select whole as part union select relid from pg_partition_tree(whole)) parts
    ), count(*) filter (where bounds <> 'DEFAULT'),
    (select count(*) from (select from prediction_default limit 100000) as strays),
    max(substring(bounds from 'TO \\(''([0-9a-f-]{36})''\\)'))::uuid
    from pg_inherits join pg_class on oid = inhrelid, pg_get_expr(relpartbound, oid) as bounds
    where inhparent = 'prediction'::regclass";

impl Store {
    /// Looks at the record as a whole.
    ///
    /// It costs a look at each file of each table, so it is nothing to be asked with every request.
    ///
    /// # Errors
    ///
    /// Fails if the database is away or takes longer than [`deadlines::READ`](crate::deadlines::READ).
    pub async fn look(&self) -> Result<Look, Error> {
        let rows = self.read_primary(&Question::Look).await?;
        Ok(rows.first().map_or(Look::NOTHING, Look::of))
    }
}

impl Look {
    const NOTHING: Self = Self { bytes: 0, partitions: 0, strays: 0, covered_until: None };

    fn of(row: &Row) -> Self {
        let number = |place| row.get::<_, i64>(place).unsigned_abs();
        Self {
            bytes: number(0),
            partitions: number(1),
            strays: number(2),
            covered_until: row.get::<_, Option<Uuid>>(3).and_then(time_of),
        }
    }
}
