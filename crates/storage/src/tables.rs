//! Whether the tables are as the record needs them: they keep what is written, as it is written.
//!
//! `migrations/README.md` says what their owner may add. This look finds the changes that would lose rows, change them, or
//! leave them out.

use domain::{CLASS_FIELD, FEATURES};
use futures_util::future::try_join_all;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::statements::Statements;
use crate::{Error, migrations};

/// The columns that this program knows, each with its type.
fn columns() -> Vec<[&'static str; 3]> {
    let (id, time) = (["id", "uuid"], ["timestamp", "timestamp with time zone"]);
    let class = [CLASS_FIELD, "integer"];
    let features = FEATURES.iter().map(|feature| [feature.name, "double precision"]);
    let inputs = [id, time].into_iter().chain(features);
    let predictions =
        [id, time, class, ["probabilities", "double precision[]"], ["model_version", "text"]];
    let keys = [["caller", "text"], ["key", "text"], ["fingerprint", "bytea"], ["answer", "bytea"]];
    let of = |table| move |[column, kind]: [&'static str; 2]| [table, column, kind];
    inputs
        .map(of("raw_data"))
        .chain(predictions.map(of("prediction")))
        .chain([id, class].map(of("truth")))
        .chain(keys.map(of("idempotency_key")))
        .collect()
}

/// The constraints of the tables, as PostgreSQL names them.
fn constraints() -> Vec<[String; 2]> {
    let of = |table: &str, column: &str| [table.to_owned(), format!("{table}_{column}_check")];
    let inputs = FEATURES.iter().map(|feature| feature.name).chain(["timestamp"]);
    let predictions = ["timestamp", CLASS_FIELD, "probabilities", "model_version"];
    let keys = ["caller", "key", "fingerprint"];
    let tables = ["raw_data", "prediction", "truth", "idempotency_key"];
    inputs
        .map(|column| of("raw_data", column))
        .chain(predictions.map(|column| of("prediction", column)))
        .chain([of("truth", CLASS_FIELD)])
        .chain(keys.map(|column| of("idempotency_key", column)))
        .chain(tables.map(|table| [table.to_owned(), format!("{table}_pkey")]))
        .collect()
}

/// The faults of the tables, in words. The parameters are the columns (table, name, type), the constraints (table, name),
/// and the version of the schema that both are of.
const MISFITS: &str = "
    with columns as (select * from unnest($1::text[], $2::text[], $3::text[]) as columns (whole, name, kind)),
    constraints as (select * from unnest($4::text[], $5::text[]) as constraints (whole, name)),
    whole as (select name, to_regclass(name)::oid as oid
              from unnest(array['raw_data', 'prediction', 'truth', 'idempotency_key']) as name),
    part as (select oid from whole union all select inhrelid from whole join pg_inherits on inhparent = oid),
    relation as materialized (
        select oid, relkind, relpersistence from part join pg_class using (oid)
    )
    select format('there is no table %s', name) from whole where oid is null
    union all
    select format('the table %s is not logged, so a crash of the server empties it: alter table %1$s set logged', oid::regclass)
    from relation where relpersistence <> 'p'
    union all
    select format('%s is not a table of this database: detach it', oid::regclass) from relation where relkind not in ('r', 'p')
    union all
    select format('row security keeps this user from rows of %s: alter table %1$s disable row level security', oid::regclass)
    from relation where row_security_active(oid)
    union all
    select format('the trigger %I on %s may change rows or leave them out: drop it, or make it one after insert',
                  tgname, tgrelid::regclass)
    from relation join pg_trigger on tgrelid = relation.oid
    -- For each row (1), before (2), insert (4).
    where tgtype & 7 = 7 and tgenabled <> 'D' and tgparentid = 0
      and (tgname <> 'truth_needs_a_prediction' or tgrelid <> to_regclass('truth'))
    union all
    select format('the rule %I on %s may change rows or leave them out: drop it', rulename, ev_class::regclass)
    from relation join pg_rewrite on ev_class = relation.oid
    union all
    select case when attnum is null then format('%s has no column %I', columns.whole, columns.name)
                else format('the column %I of %s is %s, not %s', columns.name, columns.whole,
                            format_type(atttypid, atttypmod), kind) end
    from columns join whole on whole.name = columns.whole and whole.oid is not null
    left join pg_attribute on attrelid = oid and attname = columns.name and not attisdropped
    where attnum is null or format_type(atttypid, atttypmod) <> kind
    union all
    select format('the column %I of %s needs a value, which this program does not know: give it a default',
                  attname, attrelid::regclass)
    from whole join pg_attribute on attrelid = oid and attnum > 0 and not attisdropped
    where attnotnull and not atthasdef and attidentity = '' and whole.name <> 'truth'
      and not exists (select from columns where columns.whole = whole.name and columns.name = attname)
    union all
    select format('%s has lost its constraint %I: add it again, as the migrations have it', whole.name, constraints.name)
    from constraints join whole on whole.name = constraints.whole and whole.oid is not null
    left join pg_constraint on conrelid = whole.oid and conname = constraints.name
    where conname is null and (select max(version) from refinery_schema_history) = $6
    union all
    select 'truth has lost its trigger truth_needs_a_prediction, which keeps out truths of unknown predictions: create or enable it again'
    from whole left join pg_trigger on tgrelid = whole.oid and tgname = 'truth_needs_a_prediction' and tgenabled in ('O', 'A')
    where name = 'truth' and whole.oid is not null and tgname is null
      and (select max(version) from refinery_schema_history) = $6";

/// Sends the statements to the server to be parsed, where it keeps them. This finds tables of another kind that [`check`] does not
/// know.
pub(crate) async fn check_statements(
    session: &Client,
    statements: &Statements,
) -> Result<(), Error> {
    let read = statements.all().into_iter().map(|statement| statement.read_by(session));
    let read = try_join_all(read).await;
    read.map(drop).map_err(Error::query("read the statements"))
}

/// Looks at the tables.
///
/// # Errors
///
/// [`Error::Unfit`] says all that is wrong. Else this fails if the database cannot be asked.
pub(crate) async fn check(session: &Client) -> Result<(), Error> {
    let failed = Error::query("look at the tables");
    let columns = columns();
    let column = |place: usize| columns.iter().map(|it| it[place]).collect::<Vec<_>>();
    let constraints = constraints();
    let constraint = |place: usize| constraints.iter().map(|it| &*it[place]).collect::<Vec<_>>();
    let (tables, names, kinds) = (column(0), column(1), column(2));
    let (constrained, constraint_names) = (constraint(0), constraint(1));
    let rows = session
        .query_typed(
            MISFITS,
            &[
                (&tables, Type::TEXT_ARRAY),
                (&names, Type::TEXT_ARRAY),
                (&kinds, Type::TEXT_ARRAY),
                (&constrained, Type::TEXT_ARRAY),
                (&constraint_names, Type::TEXT_ARRAY),
                (&migrations::version(), Type::INT4),
            ],
        )
        .await
        .map_err(failed)?;
    if rows.is_empty() {
        return Ok(());
    }
    let misfits: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    Err(Error::Unfit { misfits: misfits.join("; ") })
}
