//! How much room the record takes.

use crate::{Error, Store};

/// The bytes of tables, indexes and what is kept beside them; a partitioned table is the sum of its partitions.
const SIZE: &str = "
select coalesce(sum(pg_total_relation_size(part)), 0)::bigint
from (values ('raw_data'::regclass), ('prediction'), ('truth'), ('idempotency_key')) tables (whole)
cross join lateral (select whole as part union select relid from pg_partition_tree(whole)) parts";

impl Store {
    /// How many bytes the record takes on the database's disk, the answers that are kept for keys included.
    ///
    /// It costs a look at each file of each table, so it is nothing to be asked with every request.
    ///
    /// # Errors
    ///
    /// Fails if the database is away or takes longer than [`deadlines::READ`](crate::deadlines::READ).
    pub async fn size(&self) -> Result<u64, Error> {
        let rows = self.read("look at the size of the record", SIZE, &[]).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs())
    }
}
