//! A batch of records, turned into one array for each column.

use chrono::{DateTime, Utc};
use domain::{N_CLASSES, N_FEATURES, Record};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// The parameters of the write statement: `id`, `timestamp`, one array per feature, class, one array per class's
/// probability, and the model's version, which a batch has in common.
pub(crate) struct Columns<'a> {
    ids: Vec<Uuid>,
    timestamps: Vec<DateTime<Utc>>,
    features: [Vec<f64>; N_FEATURES],
    classes: Vec<i32>,
    probabilities: [Vec<f64>; N_CLASSES],
    model_version: &'a str,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(records: &'a [Record]) -> Self {
        let n = records.len();
        let mut columns = Self {
            ids: Vec::with_capacity(n),
            timestamps: Vec::with_capacity(n),
            features: std::array::from_fn(|_| Vec::with_capacity(n)),
            classes: Vec::with_capacity(n),
            probabilities: std::array::from_fn(|_| Vec::with_capacity(n)),
            model_version: records.first().map_or("", |record| &record.model_version),
        };
        for record in records {
            columns.ids.push(record.id);
            columns.timestamps.push(record.timestamp);
            for (column, value) in columns.features.iter_mut().zip(record.measurements.to_row()) {
                column.push(value);
            }
            columns.classes.push(record.prediction.class.number());
            for (column, value) in
                columns.probabilities.iter_mut().zip(record.prediction.probabilities)
            {
                column.push(value);
            }
        }
        columns
    }

    /// The types of the parameters.
    pub(crate) fn types() -> Vec<Type> {
        let mut types = vec![Type::UUID_ARRAY, Type::TIMESTAMPTZ_ARRAY];
        types.extend([const { Type::FLOAT8_ARRAY }; N_FEATURES]);
        types.push(Type::INT4_ARRAY);
        types.extend([const { Type::FLOAT8_ARRAY }; N_CLASSES]);
        types.push(Type::TEXT);
        types
    }

    /// In the order of the statement's parameters.
    pub(crate) fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut parameters: Vec<&(dyn ToSql + Sync)> =
            Vec::with_capacity(5 + N_FEATURES + N_CLASSES);
        parameters.push(&self.ids);
        parameters.push(&self.timestamps);
        parameters.extend(self.features.iter().map(|column| column as &(dyn ToSql + Sync)));
        parameters.push(&self.classes);
        parameters.extend(self.probabilities.iter().map(|column| column as &(dyn ToSql + Sync)));
        parameters.push(&self.model_version);
        parameters
    }
}
