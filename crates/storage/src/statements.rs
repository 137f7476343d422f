//! The statements, composed once from the names in `domain`.

use domain::{CLASS_FIELD, FEATURES, N_CLASSES, N_FEATURES};

/// The SQL of every operation on the record.
#[derive(Debug)]
pub(crate) struct Statements {
    /// Writes a batch into both tables; parameters as in [`Columns`](crate::columns::Columns).
    pub(crate) write: String,
    /// The same, for a batch that may have been written already.
    pub(crate) rewrite: String,
    /// One record, by `id`.
    pub(crate) record: String,
    /// A page of records, newest first.
    pub(crate) page: String,
    /// Touches both tables and reads no row.
    pub(crate) ping: String,
    /// Takes the inputs of a large batch, in binary.
    pub(crate) copy_inputs: String,
    /// Takes its predictions.
    pub(crate) copy_predictions: String,
}

impl Statements {
    /// Composes all of them.
    pub(crate) fn compose() -> Self {
        Self {
            write: write(""),
            rewrite: write(" on conflict (id) do nothing"),
            record: format!("select {} from prediction_log where id = $1", log_columns()),
            page: page(),
            ping: "select from prediction join raw_data using (id) limit 0".to_owned(),
            copy_inputs: format!(
                "copy raw_data (id, \"timestamp\", {}) from stdin (format binary)",
                feature_columns()
            ),
            copy_predictions: format!(
                "copy prediction (id, \"timestamp\", {CLASS_FIELD}, probabilities, model_version)
                 from stdin (format binary)"
            ),
        }
    }
}

fn feature_columns() -> String {
    FEATURES.map(|feature| feature.name).join(", ")
}

/// One statement, so one implicit transaction: both tables or neither, one round trip, one flush.
///
/// `unnest` turns one array per column into rows; the probabilities are one array per class, because `unnest`
/// would flatten an array of arrays.
fn write(on_conflict: &str) -> String {
    let features = feature_columns();
    let class_probabilities: Vec<_> =
        (0..N_CLASSES).map(|class| format!("probability_{class}")).collect();
    let class_probabilities = class_probabilities.join(", ");

    let mut types = vec!["uuid", "timestamptz"];
    types.extend([const { "float8" }; N_FEATURES]);
    types.push("int4");
    types.extend([const { "float8" }; N_CLASSES]);
    let arrays: Vec<_> =
        (1..).zip(&types).map(|(number, name)| format!("${number}::{name}[]")).collect();
    let arrays = arrays.join(", ");
    let model_version = types.len() + 1;

    format!(
        "with batch as materialized (
             select * from unnest({arrays})
                 as batch (id, \"timestamp\", {features}, {CLASS_FIELD}, {class_probabilities})
         ), input as (
             insert into raw_data (id, \"timestamp\", {features})
             select id, \"timestamp\", {features} from batch{on_conflict}
         )
         insert into prediction (id, \"timestamp\", {CLASS_FIELD}, probabilities, model_version)
         select id, \"timestamp\", {CLASS_FIELD}, array[{class_probabilities}], ${model_version}::text
         from batch{on_conflict}"
    )
}

/// The columns of the view, in the order in which a row is read back.
fn log_columns() -> String {
    format!(
        "id, \"timestamp\", {}, {CLASS_FIELD}, probabilities, model_version, truth",
        feature_columns()
    )
}

/// Ids are compared with bounds that are always there, so that even a generic plan walks the index; the other
/// filters may be null.
fn page() -> String {
    format!(
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
    )
}
