//! The JSON shapes: the one place of this crate that names features and classes.

mod model;

use chrono::{DateTime, Utc};
use domain::{FEATURES, N_FEATURES};
use poem_openapi::Object;
use poem_openapi::types::Example;
use recorder::Tally;
use serde::Serialize;
use serde::de::{Deserializer, MapAccess};

pub(crate) use self::model::Model;

use crate::one_of::OneOf;
use crate::scalar::{Id, Nullable, Timestamp};
use crate::strict::{Array, Bounded, Fields, FromBody, Object as ObjectShape, Report, Shape, read};

/// How many rows a batch may hold.
const MOST_INSTANCES: usize = 10_000;

/// The measurements of one iris flower, in centimeters.
///
/// The names matter: in the training data length exceeds width, for sepals and petals alike.
#[derive(Debug, Clone, Copy, Serialize, Object)]
#[oai(example)]
pub(crate) struct Measurements {
    /// Width of a sepal in cm; 2.0 to 4.4 in the training data.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    sepal_width: f64,
    /// Length of a sepal in cm; 4.3 to 7.9 in the training data.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    sepal_length: f64,
    /// Width of a petal in cm; 0.1 to 2.5 in the training data.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    petal_width: f64,
    /// Length of a petal in cm; 1.0 to 6.9 in the training data.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    petal_length: f64,
}

/// Rows to predict in one go.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Batch {
    /// The rows, 1 to 10,000.
    #[oai(validator(min_items = 1, max_items = 10_000))]
    instances: Vec<Measurements>,
}

/// The prediction for one row, as it stands in the record.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Prediction {
    /// The id of the row in the record, a UUIDv7.
    id: Id,
    /// When the request arrived, UTC.
    timestamp: Timestamp,
    /// The class: 0 setosa, 1 versicolor, 2 virginica.
    #[oai(validator(minimum(value = "0"), maximum(value = "2")))]
    iris_class: i32,
    /// The name of the class: setosa, versicolor or virginica.
    species: OneOf<domain::Class>,
    /// The probability of each class, in the order of the class numbers.
    #[oai(validator(min_items = 3, max_items = 3))]
    probabilities: Vec<f64>,
    /// The model that predicted: its version, `+`, and the start of its file's SHA-256.
    model_version: String,
    /// What looks suspicious about the input; usually nothing.
    warnings: Vec<Warning>,
    /// `committed`: in PostgreSQL. `spooled`: on the service's own disk, because PostgreSQL is away, and in PostgreSQL when
    /// it is back; only if the service was told to do so.
    stored: OneOf<recorder::Stored>,
}

/// What became of every row since this process started.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Ledger {
    /// When it started, UTC.
    since: Timestamp,
    /// Rows of all predictions that were asked for in a valid request; the sum of the next five.
    received: u64,
    /// Rows that are committed in PostgreSQL.
    committed: u64,
    /// Rows on the service's own disk that are not in PostgreSQL yet, those found there at the start included.
    spooled: u64,
    /// Rows that were not recorded because there was no room, no time or no database.
    refused: u64,
    /// Rows on which the model or the database failed.
    failed: u64,
    /// Rows that are on their way, and those that were sent to PostgreSQL without an answer so far.
    waiting: u64,
    /// Rows whose request was answered as before, by its `Idempotency-Key`; they are not among the others.
    replayed: u64,
    /// What is on the service's own disk; nothing, if it was not given a spool.
    spool: Spool,
}

/// What is on the service's own disk, waiting for PostgreSQL.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Spool {
    /// How many rows wait.
    rows: u64,
    /// How many bytes of its limit are in use.
    bytes: u64,
    /// About how many bytes it may still take, by its limit and by what else lies on that disk; 0 if it takes nothing.
    room: u64,
    /// When the oldest of the rows arrived, UTC; null if there are none.
    oldest: Nullable<Timestamp>,
    /// How many requests are in quarantine: damaged on the disk, or refused by PostgreSQL.
    quarantined: u64,
    /// Whether the disk has failed, so that nothing more is taken until the service is started again.
    failed: bool,
}

/// Something accepted but suspicious.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Warning {
    /// `out_of_range`: outside the training range; `swapped`: both widths exceed their lengths.
    code: OneOf<domain::WarningCode>,
    /// The field it is about; null when it is about the whole row.
    field: Nullable<String>,
    /// A sentence for people.
    message: String,
}

/// The predictions of a batch.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Predictions {
    /// One for each instance, in their order.
    pub(crate) predictions: Vec<Prediction>,
}

/// One row of the record: input and prediction side by side.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Record {
    /// The id of the row, a UUIDv7.
    id: Id,
    /// When the request arrived, UTC.
    timestamp: Timestamp,
    /// The input, bit for bit as it was sent.
    input: Measurements,
    /// The predicted class: 0 setosa, 1 versicolor, 2 virginica.
    #[oai(validator(minimum(value = "0"), maximum(value = "2")))]
    iris_class: i32,
    /// The name of the predicted class.
    species: OneOf<domain::Class>,
    /// The probability of each class, in the order of the class numbers.
    #[oai(validator(min_items = 3, max_items = 3))]
    probabilities: Vec<f64>,
    /// The model that predicted.
    model_version: String,
    /// The class that turned out to be right; null while nobody has said.
    truth: Nullable<i32>,
}

/// A page of the record.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Page {
    /// The records, newest first.
    predictions: Vec<Record>,
    /// The `cursor` of the next page; null if this is the last.
    next_cursor: Nullable<Id>,
}

/// The answer of a service that is well.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Health {
    /// Always `ok`; what is not well is answered as a problem.
    status: String,
}

impl Example for Measurements {
    fn example() -> Self {
        Self::from(domain::Measurements::from_row([3.5, 5.1, 0.2, 1.4]))
    }
}

impl Example for Batch {
    fn example() -> Self {
        let another = Measurements::from(domain::Measurements::from_row([3.0, 5.9, 1.8, 5.1]));
        Self { instances: vec![Measurements::example(), another] }
    }
}

impl From<domain::Measurements> for Measurements {
    fn from(measurements: domain::Measurements) -> Self {
        let domain::Measurements { sepal_width, sepal_length, petal_width, petal_length } =
            measurements;
        Self { sepal_width, sepal_length, petal_width, petal_length }
    }
}

impl Prediction {
    /// The answer for this record.
    pub(crate) fn new(
        record: &domain::Record,
        warnings: Vec<domain::Warning>,
        stored: recorder::Stored,
    ) -> Self {
        Self {
            id: Id(record.id),
            timestamp: Timestamp(record.timestamp),
            iris_class: record.prediction.class.number(),
            species: OneOf(record.prediction.class),
            probabilities: record.prediction.probabilities.to_vec(),
            model_version: record.model_version.to_string(),
            warnings: warnings.into_iter().map(Warning::from).collect(),
            stored: OneOf(stored),
        }
    }
}

impl Ledger {
    pub(crate) fn new(since: DateTime<Utc>, tally: Tally, spool: Spool) -> Self {
        let Tally { received, committed, spooled, refused, failed, waiting, replayed } = tally;
        let since = Timestamp(since);
        Self { since, received, committed, spooled, refused, failed, waiting, replayed, spool }
    }
}

impl Spool {
    pub(crate) fn new(depth: spool::Depth, room: u64) -> Self {
        let spool::Depth { rows, bytes, oldest, quarantined, failed, .. } = depth;
        Self { rows, bytes, room, oldest: Nullable(oldest.map(Timestamp)), quarantined, failed }
    }
}

impl From<domain::Warning> for Warning {
    fn from(warning: domain::Warning) -> Self {
        let field = Nullable(warning.field.map(ToOwned::to_owned));
        Self { code: OneOf(warning.code), field, message: warning.message }
    }
}

impl From<domain::Record> for Record {
    fn from(record: domain::Record) -> Self {
        Self {
            id: Id(record.id),
            timestamp: Timestamp(record.timestamp),
            input: record.measurements.into(),
            iris_class: record.prediction.class.number(),
            species: OneOf(record.prediction.class),
            probabilities: record.prediction.probabilities.to_vec(),
            model_version: record.model_version.to_string(),
            truth: Nullable(record.truth.map(domain::Class::number)),
        }
    }
}

impl From<storage::Page> for Page {
    fn from(page: storage::Page) -> Self {
        let next_cursor = Nullable(page.next_cursor.map(Id));
        Self { predictions: page.records.into_iter().map(Record::from).collect(), next_cursor }
    }
}

impl Health {
    pub(crate) fn ok() -> Self {
        Self { status: "ok".to_owned() }
    }
}

/// The fields of [`Measurements`], as they are read: one bounded number for each feature.
#[derive(Default)]
struct Row([Option<f64>; N_FEATURES]);

impl<'de> Fields<'de> for Row {
    type Value = domain::Measurements;
    const NAMES: &'static [&'static str] = &{
        let mut names = [""; N_FEATURES];
        let mut feature = 0;
        while feature < N_FEATURES {
            names[feature] = FEATURES[feature].name;
            feature += 1;
        }
        names
    };

    fn read<A: MapAccess<'de>>(
        &mut self,
        field: usize,
        entries: &mut A,
        report: &mut Report,
    ) -> Result<(), A::Error> {
        self.0[field] = Bounded(&FEATURES[field]).of_entry(entries, report)?;
        Ok(())
    }

    fn build(self) -> Option<Self::Value> {
        let mut row = [0.0; N_FEATURES];
        for (value, read) in row.iter_mut().zip(self.0) {
            *value = read?;
        }
        Some(domain::Measurements::from_row(row))
    }
}

/// The field of [`Batch`], as it is read.
#[derive(Default)]
struct Instances(Option<Vec<domain::Measurements>>);

impl<'de> Fields<'de> for Instances {
    type Value = Vec<domain::Measurements>;
    const NAMES: &'static [&'static str] = &["instances"];

    fn read<A: MapAccess<'de>>(
        &mut self,
        _field: usize,
        entries: &mut A,
        report: &mut Report,
    ) -> Result<(), A::Error> {
        self.0 = Array::<ObjectShape<Row>>::of(1..=MOST_INSTANCES).of_entry(entries, report)?;
        Ok(())
    }

    fn build(self) -> Option<Self::Value> {
        self.0
    }
}

impl FromBody for Measurements {
    type Value = domain::Measurements;

    fn from_body<'de, D: Deserializer<'de>>(
        body: D,
        report: &mut Report,
    ) -> Result<Option<Self::Value>, D::Error> {
        read(ObjectShape::<Row>::default(), body, report)
    }
}

impl FromBody for Batch {
    type Value = Vec<domain::Measurements>;

    fn from_body<'de, D: Deserializer<'de>>(
        body: D,
        report: &mut Report,
    ) -> Result<Option<Self::Value>, D::Error> {
        read(ObjectShape::<Instances>::default(), body, report)
    }
}
