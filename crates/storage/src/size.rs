//! How many predictions the record holds.

use std::fmt;

use crate::{Error, Store};

/// A number of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// So many, counted.
    Counted(u64),
    /// About so many, by the statistics of PostgreSQL: counting them would take long.
    Estimated(u64),
}

/// Counts up to 10,001 of them, and has the estimate for more.
const SIZE: &str = "
    select (select count(*) from (select from prediction limit 10001) as counted),
           (select coalesce(sum(greatest(reltuples, 0)), 0)::bigint
            from pg_partition_tree('prediction') join pg_class on oid = relid where isleaf)";

impl Store {
    /// How many predictions the record holds.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached or refuses to say.
    pub async fn size(&self) -> Result<Size, Error> {
        let session = self.readers.session().await?;
        let row = session.query_typed_one(SIZE, &[]).await;
        let row = row.map_err(Error::query("count the predictions"))?;
        let (counted, estimated): (i64, i64) = (row.get(0), row.get(1));
        let [counted, estimated] = [counted, estimated].map(i64::unsigned_abs);
        Ok(if counted > 10_000 {
            Size::Estimated(estimated.max(counted))
        } else {
            Size::Counted(counted)
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counted(0) => f.write_str("no predictions yet"),
            Self::Counted(1) => f.write_str("1 prediction"),
            Self::Counted(count) => write!(f, "{count} predictions"),
            Self::Estimated(count) => write!(f, "about {count} predictions"),
        }
    }
}
