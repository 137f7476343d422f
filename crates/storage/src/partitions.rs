//! Making partitions.
//!
//! It takes locks for some milliseconds, and waits for them a moment only, because whoever wants to read or write waits
//! behind it.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use deadpool_postgres::{GenericClient, Object, Transaction};
use tokio::time::sleep;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::parts::first_id_at;
use crate::{Error, deadlines};

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
        // A partition that somebody else has made may end within a day.
        let is_midnight = midnight(self.from) == self.from;
        self.from.format(if is_midnight { "_%Y%m%d" } else { "_%Y%m%d_%H%M%S" }).to_string()
    }
}

/// The midnight before this time, in UTC.
pub(crate) fn midnight(time: DateTime<Utc>) -> DateTime<Utc> {
    time.date_naive().and_time(NaiveTime::MIN).and_utc()
}

const STRAYS: &str = "select from prediction_default where id >= $1 and id < $2 limit 1";

/// Rows are moved without a lock until a round finds so few.
const FEW: u64 = 500;

/// How many times rows that came meanwhile are moved before everybody has to wait for the rest.
const ROUNDS: usize = 20;

/// How many times the locks are tried for once many rows were moved, which would have to be moved again otherwise. Everybody waits
/// behind each attempt for a moment, and goes on after it.
const LOCK_ATTEMPTS: usize = 20;

/// The ids of rows that come meanwhile are at most so old, unless they waited somewhere. To look for older ones among all that
/// were moved takes long.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// Makes a partition of each table, and moves there what is in the default one and belongs there; says how many predictions
/// that were.
///
/// Many rows take long to be moved. That comes first, while everybody reads them where they were, and writes. Only then are the
/// tables locked: for the rows that came meanwhile, and to attach the partitions.
pub(crate) async fn make(session: &mut Object, span: &Span) -> Result<u64, Error> {
    let refused = Error::query("make a partition");
    let suffix = span.suffix();
    let from = if span.is_first { Uuid::nil() } else { first_id_at(span.from) };
    let to = first_id_at(span.to);
    let bounds = [(&from as _, Type::UUID), (&to as _, Type::UUID)];
    if !session.query_typed(STRAYS, &bounds).await.map_err(refused)?.is_empty() {
        // A session that holds the tables for long is met before the work, and not after it.
        let knock = session.transaction().await.map_err(refused)?;
        lock(&knock).await.map_err(refused)?;
        knock.rollback().await.map_err(refused)?;
    }

    let mut transaction = session.transaction().await.map_err(refused)?;
    let mut moves = Vec::new();
    for table in TABLES {
        // The check tells PostgreSQL, which need not look, that no row is out of place.
        let create = format!(
            "create table {table}{suffix} (
                 like {table} including all excluding identity,
                 constraint span check (id >= '{from}' and id < '{to}')
             )"
        );
        transaction.batch_execute(&create).await.map_err(refused)?;
        let columns = transaction.query_typed_one(COLUMNS, &[(&table, Type::TEXT)]).await;
        let columns: String = columns.map_err(refused)?.get(0);
        moves.push(format!(
            "with strays as (delete from {table}_default where id >= $1 and id < $2 returning *)
             insert into {table}{suffix} ({columns}) overriding system value select {columns} from strays"
        ));
    }
    let (mut moved, mut least) = (0, from);
    for _ in 0..ROUNDS {
        let begun = Utc::now();
        let some = move_rows(&transaction, &moves, least, to).await.map_err(refused)?;
        moved += some;
        least = from.max(first_id_at(begun - LATE));
        if some <= FEW {
            break;
        }
    }

    lock_patiently(&mut transaction, if moved > 0 { LOCK_ATTEMPTS } else { 1 }).await?;
    let bound = if span.is_first { "minvalue".to_owned() } else { format!("'{from}'") };
    let attach = TABLES.map(|table| {
        format!(
            "alter table {table} attach partition {table}{suffix} for values from ({bound}) to ('{to}');
             alter table {table}{suffix} drop constraint span;"
        )
    });
    let attach = attach.concat();
    moved += move_rows(&transaction, &moves, least, to).await.map_err(refused)?;
    let attempt = transaction.transaction().await.map_err(refused)?;
    match attempt.batch_execute(&attach).await {
        Ok(()) => attempt.commit().await.map_err(refused)?,
        // Older ids came late, such as those of a spool.
        Err(error) if error.code() == Some(&SqlState::CHECK_VIOLATION) => {
            attempt.rollback().await.map_err(refused)?;
            moved += move_rows(&transaction, &moves, from, to).await.map_err(refused)?;
            transaction.batch_execute(&attach).await.map_err(refused)?;
        }
        Err(error) => return Err(refused(error)),
    }
    // Before anybody sees the partitions: a user who may not read them reads the record as a whole, which takes long.
    grant(&transaction).await?;
    transaction.commit().await.map_err(refused)?;
    Ok(moved)
}

/// Moves rows with ids from the first to before the second, table by table; says how many predictions that were.
async fn move_rows(
    transaction: &Transaction<'_>,
    moves: &[String],
    least: Uuid,
    beyond: Uuid,
) -> Result<u64, tokio_postgres::Error> {
    let bounds = [(&least as _, Type::UUID), (&beyond as _, Type::UUID)];
    let mut moved = Vec::new();
    for rows in moves {
        moved.push(transaction.execute_typed(rows, &bounds).await?);
    }
    // The first of the tables.
    Ok(moved.first().copied().unwrap_or_default())
}

/// Locks the tables so that they can be read and written, and the defaults so that nothing more gets there, as attaching a
/// partition does anyhow. The tables come first, as for anybody who alters them.
async fn lock(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    let defaults = TABLES.map(|table| format!("{table}_default")).join(", ");
    let lock = format!(
        "lock table only {} in share update exclusive mode; lock table {defaults} in access exclusive mode",
        TABLES.join(", only ")
    );
    transaction.batch_execute(&lock).await
}

/// The same, tried so many times; an attempt that fails leaves the transaction as it was.
async fn lock_patiently(transaction: &mut Transaction<'_>, attempts: usize) -> Result<(), Error> {
    let refused = Error::query("make a partition");
    for attempts_left in (0..attempts).rev() {
        let attempt = transaction.transaction().await.map_err(refused)?;
        match lock(&attempt).await.map_err(refused) {
            Ok(()) => return attempt.commit().await.map_err(refused),
            Err(error) if error.is_locked_out() && attempts_left > 0 => {
                attempt.rollback().await.map_err(refused)?;
                sleep(deadlines::UPKEEP_LOCK).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Has PostgreSQL know its tables after rows were moved, and reuse their room. It would do so by itself, a minute later.
pub(crate) async fn tidy(session: &Object, suffix: &str) -> Result<(), Error> {
    for table in TABLES {
        for tidy in
            [format!("analyze {table}{suffix}"), format!("vacuum (analyze) {table}_default")]
        {
            match session.batch_execute(&tidy).await.map_err(Error::query("clean up")) {
                Err(error) if error.is_locked_out() => {}
                done => done?,
            }
        }
    }
    Ok(())
}

/// Lets everybody read the partitions who may read the tables: a record is looked up in its partition alone.
pub(crate) async fn grant(session: &impl GenericClient) -> Result<(), Error> {
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
    for row in session.query(MISSING, &[]).await.map_err(refused)? {
        session.batch_execute(row.get(0)).await.map_err(refused)?;
    }
    Ok(())
}
