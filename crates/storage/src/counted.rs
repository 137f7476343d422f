//! The operation whose instructions `benchmarks/instructions.py` counts: a batch of records becomes the parameters of
//! the write statement, in PostgreSQL's binary format.

use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use chrono::{DateTime, Utc};
use domain::{Measurements, N_CLASSES, N_FEATURES, Prediction, Record};
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use crate::columns::Columns;

/// How often the operation is carried out; whoever counts says it.
fn rounds() -> usize {
    std::env::var("COUNTED_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// A batch as 64 connections fill it.
fn records() -> Vec<Record> {
    let record = |n: u32| Record {
        id: Uuid::from_u128(n.into()),
        timestamp: DateTime::from_timestamp(1_800_000_000 + i64::from(n), 0).unwrap(),
        measurements: Measurements::from_row([f64::from(n); N_FEATURES]),
        prediction: Prediction::from_probabilities([1.0 / f64::from(n); N_CLASSES]),
        model_version: Arc::from("1.0.0+00000000"),
        truth: None,
    };
    (1..=64).map(record).collect()
}

fn read<'a, T: FromSql<'a>>(types: &[Type], encoded: &'a [BytesMut], parameter: usize) -> T {
    T::from_sql(&types[parameter], &encoded[parameter]).unwrap()
}

#[test]
fn insert_batch() {
    let (records, types) = (records(), Columns::types());
    let mut encoded = vec![BytesMut::new(); types.len()];
    for _ in 0..rounds() {
        let columns = Columns::of(black_box(&records));
        let parameters = columns.parameters();
        assert_eq!(parameters.len(), types.len());
        for ((parameter, of_type), bytes) in parameters.iter().zip(&types).zip(&mut encoded) {
            bytes.clear();
            parameter.to_sql_checked(of_type, bytes).unwrap();
        }
    }

    let ids: Vec<Uuid> = read(&types, &encoded, 0);
    let timestamps: Vec<DateTime<Utc>> = read(&types, &encoded, 1);
    let last_feature: Vec<f64> = read(&types, &encoded, 1 + N_FEATURES);
    let model_version: &str = read(&types, &encoded, types.len() - 1);
    assert!(ids.into_iter().eq(records.iter().map(|record| record.id)));
    assert!(timestamps.into_iter().eq(records.iter().map(|record| record.timestamp)));
    let features = records.iter().map(|record| record.measurements.to_row()[N_FEATURES - 1]);
    assert!(last_feature.into_iter().eq(features));
    assert_eq!(model_version, &*records[0].model_version);
}
