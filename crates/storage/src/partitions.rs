//! Making partitions.
//!
//! It takes locks for some milliseconds, and waits for them a moment only, because whoever wants to read or write waits
//! behind it.

use chrono::{DateTime, NaiveTime, Utc};
use deadpool_postgres::Object;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::Error;
use crate::parts::first_id_at;

/// The tables of the record, in the order in which they are locked: that of the view, and of the plan that writes a batch,
/// which locks what its last statement writes to first.
pub(crate) const TABLES: [&str; 3] = ["prediction", "raw_data", "truth"];

/// The columns of a table that hold what was written, those that its owner has added among them. PostgreSQL computes the others.
const COLUMNS: &str = "
    select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
    where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''";

/// What a partition shall take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    /// Then it also takes whatever is older.
    pub(crate) is_first: bool,
}

impl Span {
    /// What follows the table's name in that of the partition.
    pub(crate) fn suffix(&self) -> String {
        self.from.format("_%Y%m%d").to_string()
    }
}

/// The midnight before this time, in UTC.
pub(crate) fn midnight(time: DateTime<Utc>) -> DateTime<Utc> {
    time.date_naive().and_time(NaiveTime::MIN).and_utc()
}

/// Makes a partition of each table, and moves there what is in the default one and belongs there; says how many predictions
/// that were.
pub(crate) async fn make(session: &mut Object, span: &Span) -> Result<u64, Error> {
    let refused = Error::query("make a partition");
    let suffix = span.suffix();
    let transaction = session.transaction().await.map_err(refused)?;
    // Both are locked anyhow when a partition is attached: the tables so that they can be read and written, the defaults so
    // that nothing more gets there. The tables come first, as for anybody who alters them.
    let defaults = TABLES.map(|table| format!("{table}_default")).join(", ");
    let lock = format!(
        "lock table only {} in share update exclusive mode; lock table {defaults} in access exclusive mode",
        TABLES.join(", only ")
    );
    transaction.batch_execute(&lock).await.map_err(refused)?;

    let to = first_id_at(span.to);
    let (from, bound) = if span.is_first {
        (Uuid::nil(), "minvalue".to_owned())
    } else {
        let from = first_id_at(span.from);
        (from, format!("'{from}'"))
    };
    let mut moved = 0;
    for table in TABLES {
        let create =
            format!("create table {table}{suffix} (like {table} including all excluding identity)");
        transaction.batch_execute(&create).await.map_err(refused)?;
        let columns = transaction.query_typed_one(COLUMNS, &[(&table, Type::TEXT)]).await;
        let columns: String = columns.map_err(refused)?.get(0);
        let rows = format!(
            "with strays as (delete from {table}_default where id >= $1 and id < $2 returning *)
             insert into {table}{suffix} ({columns}) overriding system value select {columns} from strays"
        );
        let bounds = [(&from as _, Type::UUID), (&to as _, Type::UUID)];
        let rows = transaction.execute_typed(&rows, &bounds).await.map_err(refused)?;
        moved += if table == TABLES[0] { rows } else { 0 };
        let attach = format!(
            "alter table {table} attach partition {table}{suffix} for values from ({bound}) to ('{to}')"
        );
        transaction.batch_execute(&attach).await.map_err(refused)?;
    }
    transaction.commit().await.map_err(refused)?;
    Ok(moved)
}

/// Lets everybody read the partitions who may read the tables: a record is looked up in its partition alone.
pub(crate) async fn grant(session: &Object) -> Result<(), Error> {
    const MISSING: &str = "
        select format('grant select on %s to %s', child.oid::regclass,
                      case grantee when 0 then 'public' else grantee::regrole::text end)
        from unnest(array['raw_data', 'prediction', 'truth']::regclass[]) as parent
        join pg_class as whole on whole.oid = parent
        join pg_inherits on inhparent = parent
        join pg_class as child on child.oid = inhrelid,
        aclexplode(whole.relacl)
        where privilege_type = 'SELECT' and grantee <> whole.relowner
          and not exists (select from aclexplode(child.relacl) as has
                          where has.privilege_type = 'SELECT' and has.grantee = aclexplode.grantee)";
    let refused = Error::query("let others read the partitions");
    for row in session.query_typed(MISSING, &[]).await.map_err(refused)? {
        session.batch_execute(row.get(0)).await.map_err(refused)?;
    }
    Ok(())
}
