//! The statements, composed once from the names in `domain`.

use domain::{CLASS_FIELD, FEATURES, N_CLASSES, N_FEATURES};

/// The SQL of every operation on the record.
#[derive(Debug)]
pub(crate) struct Statements {
    /// Writes a batch into both tables; parameters as in [`Columns`](crate::columns::Columns).
    pub(crate) write: String,
    /// The same, for a batch that may have been written already.
    pub(crate) rewrite: String,
    /// Writes a batch in which requests have claims; parameters as in [`Claims`](crate::claims::Claims).
    pub(crate) write_once: String,
    /// The same, for a batch that may have been written already.
    pub(crate) rewrite_once: String,
    /// The answers that are kept for claims.
    pub(crate) answers: &'static str,
    /// Deletes answers that have expired, some at a time.
    pub(crate) forget: &'static str,
    /// One record, by `id`.
    pub(crate) record: String,
    /// A page of records, newest first.
    pub(crate) page: String,
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
            rewrite: write(IF_MISSING),
            write_once: write_once(""),
            rewrite_once: write_once(IF_MISSING),
            answers: ANSWERS,
            forget: FORGET,
            record: format!("select {} from prediction_log where id = $1", log_columns()),
            page: page(),
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

/// What makes writing again harmless.
const IF_MISSING: &str = " on conflict (id) do nothing";

const ANSWERS: &str = "
    select number, fingerprint, answer
    from unnest($1::text[], $2::text[]) with ordinality as claim (caller, key, number)
    join idempotency_key using (caller, key)";

const FORGET: &str = "
    delete from idempotency_key where (caller, key) in (
        select caller, key from idempotency_key
        where created_at < now() - make_interval(secs => $1) order by created_at limit 1000
    )";

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

    /// The inserts into both tables, from `batch`; the second is left open for what follows it.
    fn inserts(&self, on_conflict: &str) -> (String, String) {
        let features = feature_columns();
        let inputs = format!(
            "insert into raw_data (id, \"timestamp\", {features})
             select id, \"timestamp\", {features} from batch{on_conflict}"
        );
        let predictions = format!(
            "insert into prediction (id, \"timestamp\", {CLASS_FIELD}, probabilities, model_version)
             select id, \"timestamp\", {CLASS_FIELD}, array[{}], ${}::text from batch{on_conflict}",
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

/// One statement, so one implicit transaction: both tables or neither, one round trip, one flush.
///
/// `unnest` turns one array per column into rows; the probabilities are one array per class, because `unnest`
/// would flatten an array of arrays.
fn write(on_conflict: &str) -> String {
    let arrays = Arrays::of_a_batch();
    let (inputs, predictions) = arrays.inserts(on_conflict);
    let Arrays { parameters, columns, .. } = arrays;
    format!(
        "with batch as materialized (select * from unnest({parameters}) as batch ({columns})),
         input as ({inputs})
         {predictions}"
    )
}

/// The same for requests of which some have claims: only those whose key was free, or had expired, are written, and their
/// keys with them. Who holds a key that another session is writing waits for the end of that.
///
/// Keys are taken in one order, so that two batches do not wait for each other.
fn write_once(on_conflict: &str) -> String {
    let arrays = Arrays::of_a_batch();
    let (inputs, predictions) = arrays.inserts(on_conflict);
    let Arrays { parameters, columns, model_version } = arrays;
    let [rows, callers, keys, fingerprints, answers, kept] =
        std::array::from_fn(|place| model_version + 1 + place);
    format!(
        "with claim as materialized (
             select * from unnest(${callers}::text[], ${keys}::text[], ${fingerprints}::bytea[], ${answers}::bytea[])
                 with ordinality as claim (caller, key, fingerprint, answer, number)
         ), taken as (
             insert into idempotency_key as kept (caller, key, fingerprint, answer)
             select caller, key, fingerprint, answer from claim order by caller, key
             on conflict (caller, key) do update
                 set fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at
                 where kept.created_at < now() - make_interval(secs => ${kept})
             returning caller, key
         ), batch as materialized (
             select * from unnest({parameters}, ${rows}::int8[]) as batch ({columns}, claim)
             where claim is null or claim in (select number from claim join taken using (caller, key))
         ), input as ({inputs}),
         output as ({predictions})
         select number from claim join taken using (caller, key)"
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
