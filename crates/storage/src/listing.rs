//! Which partitions there are, as PostgreSQL's catalogs have it.

use deadpool_postgres::Object;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

/// A partition of the predictions; those of the other tables are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// What follows the table's name in that of the partition; nothing if somebody named it otherwise.
    pub(crate) suffix: Option<String>,
    /// Whether it takes what no other does.
    pub(crate) is_default: bool,
    /// The first id that it takes.
    pub(crate) from: Uuid,
    /// The first id beyond it.
    pub(crate) to: Uuid,
    /// What the catalogs know it by; never used again for another.
    pub(crate) oid: i64,
}

const LISTING: &str = "
    select case when relname ~ '^prediction_[a-z0-9_]+$' then substr(relname, length('prediction') + 1) end,
           bounds = 'DEFAULT',
           substring(bounds from 'FROM [(]''([0-9a-f-]{36})''[)]')::uuid,
           substring(bounds from 'TO [(]''([0-9a-f-]{36})''[)]')::uuid,
           oid::int8
    from pg_inherits join pg_class on oid = inhrelid, pg_get_expr(relpartbound, oid) as bounds
    where inhparent = 'prediction'::regclass
    order by 3 nulls first";

/// All of them, the oldest first.
pub(crate) async fn listing(session: &Object) -> Result<Vec<Listed>, Error> {
    let listed = |row: &Row| Listed {
        suffix: row.get(0),
        is_default: row.get(1),
        from: row.get::<_, Option<Uuid>>(2).unwrap_or(Uuid::nil()),
        to: row.get::<_, Option<Uuid>>(3).unwrap_or(Uuid::max()),
        oid: row.get(4),
    };
    Ok(session.query_typed(LISTING, &[]).await?.iter().map(listed).collect())
}
