//! Partitions that leave: taken out of the record at once, and removed from the disk a piece at a time.
//!
//! To remove a gigabyte of files keeps a disk busy for tenths of a second, in which the flush of a commit waits for its turn.
//! So a table and its index go one by one, and between them the disk rests for much longer than it was busy.

use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::Object;
use tokio::time::Instant;
use tokio_postgres::types::Type;

use crate::Error;
use crate::partitions::TABLES;
use crate::parts::first_id_at;

/// How many times as long as a piece took nothing else is removed: so the slowest hundredth of the predictions, of any
/// minute, has other reasons.
const REST: u32 = 1_000;

/// What is said of a table that was taken out, and by which it is known: its name may be anybody's.
const LEFT: &str = "Left the record, and is removed by those who keep it up";

/// Takes the partition with this suffix of each table out of the record.
pub(crate) async fn take_out(session: &mut Object, suffix: &str) -> Result<(), Error> {
    let refused = Error::query("take a partition out of the record");
    let transaction = session.transaction().await.map_err(refused)?;
    let lock = format!("lock table only {} in access exclusive mode", TABLES.join(", only "));
    transaction.batch_execute(&lock).await.map_err(refused)?;
    for table in TABLES {
        let out = format!(
            "alter table {table} detach partition {table}{suffix};
             alter table {table}{suffix} rename to {table}{suffix}_left;
             comment on table {table}{suffix}_left is '{LEFT}'"
        );
        transaction.batch_execute(&out).await.map_err(refused)?;
    }
    transaction.commit().await.map_err(refused)
}

/// What removes the pieces of what was taken out: the primary keys first, as a table takes its indexes along.
const PIECES: &str = "
    with tables as (
        select oid from pg_class
        where relkind = 'r' and not relispartition and obj_description(oid, 'pg_class') = $1
          and relnamespace = (select relnamespace from pg_class where oid = 'prediction'::regclass)
    )
    select format('alter table %s drop constraint %I', conrelid::regclass, conname), 1 as turn
    from pg_constraint where contype = 'p' and conrelid in (select oid from tables)
    union all
    select format('drop table %s', oid::regclass), 2 from tables
    order by turn";

/// Removes one piece from the disk; says after which rest there is another to be removed, if there is.
pub(crate) async fn remove_a_piece(session: &Object) -> Result<Option<Duration>, Error> {
    let refused = Error::query("remove a partition that left the record");
    let pieces = session.query_typed(PIECES, &[(&LEFT, Type::TEXT)]).await.map_err(refused)?;
    let Some(piece) = pieces.first() else {
        return Ok(None);
    };
    let started = Instant::now();
    session.batch_execute(piece.get(0)).await.map_err(refused)?;
    Ok((pieces.len() > 1).then(|| started.elapsed() * REST))
}

/// Deletes what is older from the partition with this suffix, some rows at a time, which nobody waits for.
pub(crate) async fn delete_overdue(
    session: &Object,
    suffix: &str,
    before: DateTime<Utc>,
) -> Result<u64, Error> {
    let delete = format!(
        "with old as materialized (
             (select id from prediction{suffix} where id < $1 and \"timestamp\" < $2 order by id limit 5000)
             union (select id from raw_data{suffix} where id < $1 and \"timestamp\" < $2 order by id limit 5000)
         ), ids as materialized (select array_agg(id) as old from old),
         outputs as (delete from prediction{suffix} where id = any ((select old from ids)::uuid[])),
         inputs as (delete from raw_data{suffix} where id = any ((select old from ids)::uuid[])),
         labels as (delete from truth{suffix} where id = any ((select old from ids)::uuid[]))
         select count(*) from old"
    );
    let bounds = [(&first_id_at(before) as _, Type::UUID), (&before as _, Type::TIMESTAMPTZ)];
    let mut deleted = 0;
    loop {
        let row = session.query_typed_one(&delete, &bounds).await;
        let some: i64 = row.map_err(Error::query("delete old rows of a partition"))?.get(0);
        if some == 0 {
            return Ok(deleted);
        }
        deleted += some.unsigned_abs();
    }
}

/// Deletes what is older from the default partition, where there should be nothing.
pub(crate) async fn delete_strays(session: &Object, cutoff: DateTime<Utc>) -> Result<u64, Error> {
    const DELETE: &str = "
        with old as (select id from prediction_default where \"timestamp\" < $1
                     union select id from raw_data_default where \"timestamp\" < $1 limit 10000),
             inputs as (delete from raw_data_default where id in (select id from old) returning id),
             predictions as (delete from prediction_default where id in (select id from old) returning id),
             truths as (delete from truth_default where id in (select id from old) returning id)
        select count(*) from old";
    let row = session.query_typed_one(DELETE, &[(&cutoff, Type::TIMESTAMPTZ)]).await;
    let deleted: i64 =
        row.map_err(Error::query("delete old rows from the default partition"))?.get(0);
    Ok(u64::try_from(deleted).unwrap_or_default())
}
