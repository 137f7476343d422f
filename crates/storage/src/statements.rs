//! The statements, composed once from the names in `domain`.

use domain::{CLASS_FIELD, FEATURES, N_CLASSES};
use tokio_postgres::types::Type;

use crate::claims::Claims;
use crate::columns::Columns;
use crate::left_out::or_fail;
use crate::part_statements::{FILTERED, PartStatements};
use crate::statement::Statement;

/// The SQL of the operations on the record as a whole; those on one partition of it are composed by the same functions.
#[derive(Debug)]
pub(crate) struct Statements {
    /// Writes a batch into both tables; parameters as in [`Columns`].
    pub(crate) write: Statement,
    /// The same, for a batch that may have been written already.
    pub(crate) rewrite: Statement,
    /// Writes a batch in which requests have claims; parameters as in [`Claims`].
    pub(crate) write_once: Statement,
    /// The same, for a batch that may have been written already.
    pub(crate) rewrite_once: Statement,
    /// The answers that are kept for claims.
    pub(crate) answers: Statement,
    /// One record, by `id`.
    pub(crate) record: Statement,
    /// A page of records, newest first; parameters as in [`FILTERED`].
    pub(crate) page: Statement,
    /// Takes the inputs of a large batch, in binary.
    pub(crate) copy_inputs: String,
    /// Takes its predictions.
    pub(crate) copy_predictions: String,
    pooled: bool,
}

impl Statements {
    /// Composes all of them; `pooled` for sessions behind a pooler.
    pub(crate) fn compose(pooled: bool) -> Self {
        let write = |on_conflict| {
            let text = write(on_conflict, pooled);
            Statement::new(text, Columns::types(), !pooled)
        };
        let write_once = |on_conflict| {
            let types = [Columns::types(), Claims::types()].concat();
            Statement::new(write_once(on_conflict, pooled), types, !pooled)
        };
        Self {
            write: write(""),
            rewrite: write(IF_MISSING),
            write_once: write_once(""),
            rewrite_once: write_once(IF_MISSING),
            answers: Statement::new(ANSWERS, vec![Type::TEXT_ARRAY, Type::TEXT_ARRAY], !pooled),
            record: record(pooled),
            page: page(pooled),
            copy_inputs: format!(
                "copy raw_data (id, \"timestamp\", {}) from stdin (format binary)",
                feature_columns()
            ),
            copy_predictions: format!(
                "copy prediction (id, \"timestamp\", {CLASS_FIELD}, probabilities, model_version)
                 from stdin (format binary)"
            ),
            pooled,
        }
    }

    /// All that are carried out on the record as a whole, but for the copies.
    pub(crate) fn all(&self) -> [&Statement; 7] {
        let Self { write, rewrite, write_once, rewrite_once, answers, record, page, .. } = self;
        [write, rewrite, write_once, rewrite_once, answers, record, page]
    }

    /// The statements on the partition with this suffix.
    pub(crate) fn of_part(&self, suffix: &str) -> PartStatements {
        PartStatements::compose(suffix, !self.pooled)
    }
}

pub(crate) fn feature_columns() -> String {
    FEATURES.map(|feature| feature.name).join(", ")
}

/// What makes writing again harmless.
const IF_MISSING: &str = " on conflict (id) do nothing";

const ANSWERS: &str = "
    select number, fingerprint, answer
    from unnest($1::text[], $2::text[]) with ordinality as claim (caller, key, number)
    join idempotency_key using (caller, key)";

/// The inserts into both tables, each in the order of its columns, and what is next after the parameters of a batch.
///
/// A batch comes as one array for each column, as [`Columns`] has them; the probabilities are one for each class. Row number
/// `i` is taken out of them by that number, which takes fewer steps than to make rows of them by `unnest` and to keep these
/// for the second insert.
struct Inserts {
    inputs: String,
    predictions: String,
    next_parameter: usize,
}

impl Inserts {
    /// `batch` gives the numbers of the rows as `i`.
    fn from(batch: &str, on_conflict: &str) -> Self {
        let mut parameters = 1..;
        let mut element = || format!("(${})[i]", parameters.next().unwrap_or_default());
        let [id, timestamp] = [element(), element()];
        let features = FEATURES.map(|_| element()).join(", ");
        let class = element();
        let probabilities = [(); N_CLASSES].map(|()| element()).join(", ");
        let model_version = parameters.next().unwrap_or_default();
        let end = format!("{batch}{on_conflict} returning true as written");
        Self {
            inputs: format!(
                "insert into raw_data (id, \"timestamp\", {})
                 select {id}, {timestamp}, {features} from {end}",
                feature_columns()
            ),
            predictions: format!(
                "insert into prediction (id, \"timestamp\", {CLASS_FIELD}, probabilities, model_version)
                 select {id}, {timestamp}, {class}, array[{probabilities}], ${model_version}::text from {end}"
            ),
            next_parameter: model_version + 1,
        }
    }
}

/// A condition that always holds, and has the commit of its statement wait for the flush of the WAL.
///
/// Behind a pooler a session's own settings may be those of anybody. It is looked at once, before the first row.
fn flushed(pooled: bool) -> &'static str {
    if pooled { "(select set_config('synchronous_commit', 'on', true)) = 'on'" } else { "true" }
}

/// Whether each table took all rows of a batch, for any number of rows but none: the last of them is there.
const ALL_WRITTEN: &str = "(select written from (select written from output union all select written from input) as written
                            offset 2 * cardinality($1) - 1)";

/// Whether each table took as many rows as this, or has had them before this statement.
fn written_or_there(sent: &str, ids: &str) -> String {
    format!(
        "(select count(*) from output) + (select count(*) from prediction where id = any ({ids})) = {sent}
         and (select count(*) from input) + (select count(*) from raw_data where id = any ({ids})) = {sent}"
    )
}

/// One statement, so one implicit transaction: both tables or neither, one round trip, one flush.
///
/// The predictions are written first, as their table is locked first (`partitions::TABLES`).
fn write(on_conflict: &str, pooled: bool) -> String {
    let batch = format!("generate_series(1, cardinality($1)) as i where {}", flushed(pooled));
    let Inserts { inputs, predictions, .. } = Inserts::from(&batch, on_conflict);
    let there = written_or_there("cardinality($1)", "$1");
    let conditions = [ALL_WRITTEN, &there];
    let conditions = if on_conflict.is_empty() { &conditions[..1] } else { &conditions };
    format!("with output as ({predictions}), input as ({inputs}) select {}", or_fail(conditions))
}

/// The same for requests of which some have claims: only those whose key was free are written, and their keys with them. Who
/// holds a key that another session is writing waits for the end of that.
///
/// Keys are taken in one order, so that two batches do not wait for each other. After the check come the numbers of the
/// claims whose key was free.
fn write_once(on_conflict: &str, pooled: bool) -> String {
    let Inserts { inputs, predictions, next_parameter } = Inserts::from("batch", on_conflict);
    let [rows, callers, keys, fingerprints, answers] =
        std::array::from_fn(|place| next_parameter + place);
    let sent = "(select count(*) from batch)";
    let all_written =
        format!("(select count(*) from output) = {sent} and (select count(*) from input) = {sent}");
    let there = written_or_there(sent, "array(select ($1)[i] from batch)");
    let conditions = [&*all_written, &there];
    let conditions = if on_conflict.is_empty() { &conditions[..1] } else { &conditions };
    format!(
        "with claim as materialized (
             select * from unnest(${callers}::text[], ${keys}::text[], ${fingerprints}::bytea[], ${answers}::bytea[])
                 with ordinality as claim (caller, key, fingerprint, answer, number)
             where {}
         ), taken as (
             insert into idempotency_key (caller, key, fingerprint, answer)
             select caller, key, fingerprint, answer from claim order by caller, key
             on conflict (caller, key) do nothing
             returning caller, key
         ), batch as materialized (
             select i from generate_series(1, cardinality($1)) as i
             where (${rows})[i] is null or (${rows})[i] in (select number from claim join taken using (caller, key))
         ), output as ({predictions}), input as ({inputs})
         select {}, array(select number from claim join taken using (caller, key))",
        flushed(pooled),
        or_fail(conditions)
    )
}

/// The columns in the order in which a row is read back.
pub(crate) fn log_columns() -> String {
    format!(
        "id, \"timestamp\", {}, {CLASS_FIELD}, probabilities, model_version, truth",
        feature_columns()
    )
}

fn record(pooled: bool) -> Statement {
    let text = format!("select {} from prediction_log where id = $1", log_columns());
    Statement::new(text, vec![Type::UUID], !pooled)
}

/// Ids are compared with bounds that are always there, so that even a generic plan walks the index; the other
/// filters may be null.
fn page(pooled: bool) -> Statement {
    let text = format!(
        "select {} from prediction_log
         where id >= $1 and id < $2
           and ($3::timestamptz is null or \"timestamp\" >= $3)
           and ($4::timestamptz is null or \"timestamp\" < $4)
           and ($5::int4 is null or {CLASS_FIELD} = $5)
           and ($6::text is null or model_version = $6)
           and ($7::float8 is null or confidence >= $7)
           and ($8::float8 is null or confidence <= $8)
         order by id desc
         limit $9",
        log_columns()
    );
    Statement::new(text, FILTERED.to_vec(), !pooled)
}
