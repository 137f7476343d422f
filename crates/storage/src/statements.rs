//! The statements, composed once from the names in `domain`.

use domain::{CLASS_FIELD, FEATURES, N_CLASSES, N_FEATURES};
use tokio_postgres::types::Type;

use crate::claims::Claims;
use crate::columns::Columns;
use crate::left_out::complete;
use crate::reading::Bounds;
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
    /// A page of records, newest first; parameters as in [`Bounds`].
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
            record: record(LOG, pooled),
            page: page(LOG, pooled),
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

    /// One record of the partition with this suffix, by `id`, and a page of them.
    pub(crate) fn of_part(&self, suffix: &str) -> (Statement, Statement) {
        let log = log_of_part(suffix);
        (record(&log, self.pooled), page(&log, self.pooled))
    }
}

fn feature_columns() -> String {
    FEATURES.map(|feature| feature.name).join(", ")
}

/// What makes writing again harmless.
const IF_MISSING: &str = " on conflict (id) do nothing";

const ANSWERS: &str = "
    select number, fingerprint, answer
    from unnest($1::text[], $2::text[]) with ordinality as claim (caller, key, number)
    join idempotency_key using (caller, key)";

/// A batch as arrays, one for each column.
struct Arrays {
    /// The arrays, as parameters from `$1` on.
    parameters: String,
    /// What `unnest` makes of them.
    columns: String,
    /// The number of the parameter after them: the model's version.
    model_version: usize,
}

impl Arrays {
    fn of_a_batch() -> Self {
        let mut types = vec!["uuid", "timestamptz"];
        types.extend([const { "float8" }; N_FEATURES]);
        types.push("int4");
        types.extend([const { "float8" }; N_CLASSES]);
        let arrays: Vec<_> =
            (1..).zip(&types).map(|(number, name)| format!("${number}::{name}[]")).collect();
        Self {
            parameters: arrays.join(", "),
            columns: format!(
                "id, \"timestamp\", {}, {CLASS_FIELD}, {}",
                feature_columns(),
                class_probabilities()
            ),
            model_version: types.len() + 1,
        }
    }

    /// The inserts into both tables, from `batch`.
    fn inserts(&self, on_conflict: &str) -> (String, String) {
        let features = feature_columns();
        let inputs = format!(
            "insert into raw_data (id, \"timestamp\", {features})
             select id, \"timestamp\", {features} from batch{on_conflict} returning 1"
        );
        let predictions = format!(
            "insert into prediction (id, \"timestamp\", {CLASS_FIELD}, probabilities, model_version)
             select id, \"timestamp\", {CLASS_FIELD}, array[{}], ${}::text from batch{on_conflict} returning 1",
            class_probabilities(),
            self.model_version
        );
        (inputs, predictions)
    }
}

fn class_probabilities() -> String {
    let names: Vec<_> = (0..N_CLASSES).map(|class| format!("probability_{class}")).collect();
    names.join(", ")
}

/// A condition that always holds, and has the commit of its statement wait for the flush of the WAL.
///
/// Behind a pooler a session's own settings may be those of anybody. It is looked at once, before the first row.
fn flushed(pooled: bool) -> &'static str {
    if pooled { "(select set_config('synchronous_commit', 'on', true)) = 'on'" } else { "true" }
}

/// One statement, so one implicit transaction: both tables or neither, one round trip, one flush.
///
/// `unnest` turns one array per column into rows; the probabilities are one array per class, because `unnest`
/// would flatten an array of arrays.
fn write(on_conflict: &str, pooled: bool) -> String {
    let arrays = Arrays::of_a_batch();
    let (inputs, predictions) = arrays.inserts(on_conflict);
    let Arrays { parameters, columns, .. } = arrays;
    format!(
        "with batch as materialized (select * from unnest({parameters}) as batch ({columns}) where {}),
         output as ({predictions}),
         input as ({inputs}),
         {WRITTEN}, cardinality($1) as sent)
         select {} from written",
        flushed(pooled),
        complete(there(on_conflict))
    )
}

/// How many rows were written; what was sent is to be added. The predictions are counted first, and so written first, as they
/// are locked first (`partitions::TABLES`).
const WRITTEN: &str = "written as materialized (
             select (select count(*) from output) as predictions, (select count(*) from input) as inputs";

/// What counts the rows of a batch that were in each table before, where a batch may be written twice.
fn there(on_conflict: &str) -> Option<[&'static str; 2]> {
    (!on_conflict.is_empty()).then_some([
        "select count(*) from raw_data where id = any (array(select id from batch))",
        "select count(*) from prediction where id = any (array(select id from batch))",
    ])
}

/// The same for requests of which some have claims: only those whose key was free are written, and their keys with them. Who
/// holds a key that another session is writing waits for the end of that.
///
/// Keys are taken in one order, so that two batches do not wait for each other.
fn write_once(on_conflict: &str, pooled: bool) -> String {
    let arrays = Arrays::of_a_batch();
    let (inputs, predictions) = arrays.inserts(on_conflict);
    let Arrays { parameters, columns, model_version } = arrays;
    let [rows, callers, keys, fingerprints, answers] =
        std::array::from_fn(|place| model_version + 1 + place);
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
             select * from unnest({parameters}, ${rows}::int8[]) as batch ({columns}, claim)
             where claim is null or claim in (select number from claim join taken using (caller, key))
         ), output as ({predictions}),
         input as ({inputs}),
         {WRITTEN}, (select count(*) from batch) as sent)
         select {}, array(select number from claim join taken using (caller, key)) from written",
        flushed(pooled),
        complete(there(on_conflict))
    )
}

/// Input and prediction side by side.
const LOG: &str = "prediction_log";

/// The columns in the order in which a row is read back.
fn log_columns() -> String {
    format!(
        "id, \"timestamp\", {}, {CLASS_FIELD}, probabilities, model_version, truth",
        feature_columns()
    )
}

/// The same of one partition.
///
/// The view would do as well, but PostgreSQL locks every partition of each table for a statement that was prepared without
/// knowing the id: with thirty of them it takes twice as long.
fn log_of_part(suffix: &str) -> String {
    format!(
        "(select prediction.id, prediction.\"timestamp\", {}, prediction.{CLASS_FIELD}, probabilities,
                 probabilities[prediction.{CLASS_FIELD} + 1] as confidence, model_version, truth.{CLASS_FIELD} as truth
          from prediction{suffix} as prediction
          join raw_data{suffix} as raw_data using (id)
          left join truth{suffix} as truth using (id)) as log",
        feature_columns()
    )
}

fn record(log: &str, pooled: bool) -> Statement {
    let text = format!("select {} from {log} where id = $1", log_columns());
    Statement::new(text, vec![Type::UUID], !pooled)
}

/// Ids are compared with bounds that are always there, so that even a generic plan walks the index; the other
/// filters may be null.
fn page(log: &str, pooled: bool) -> Statement {
    let text = format!(
        "select {} from {log}
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
    Statement::new(text, Bounds::types(), !pooled)
}
