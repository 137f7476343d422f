//! Examples of answers, made of the types that are answered.

use chrono::{DateTime, Utc};
use domain::{FEATURES, Measurements, Record};
use inference::Model;
use poem::http::StatusCode;
use recorder::{Stored, Tally};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::problem::{Code, Flaw, Misfit, Problem};
use crate::schema;

/// A row of the training data.
const ROW: [f64; 4] = [3.5, 5.1, 0.2, 1.4];

/// Adds an example to the answer of each operation that answers in JSON.
pub(super) fn add(document: &mut Value) -> anyhow::Result<()> {
    let at: DateTime<Utc> =
        DateTime::UNIX_EPOCH + std::time::Duration::from_micros(1_795_442_160_926_790);
    let model = Model::embedded()?;
    let prediction = model.predict(&Measurements::from_row(ROW))?;
    let record = Record {
        id: Uuid::from_u128(0x01a2_08c3_80d8_7862_8292_a493_5952_b406),
        timestamp: at,
        measurements: Measurements::from_row(ROW),
        prediction,
        model_version: model.version().into(),
        truth: None,
    };
    let answer = || schema::Prediction::new(&record, vec![], Stored::Committed);
    let tally = Tally { received: 12, committed: 12, ..Tally::default() };
    let spool = schema::Spool::new(spool::Depth::default(), 0);
    let page = storage::Page { records: vec![record.clone()], next_cursor: None };
    for (method, path, example) in [
        ("post", "/predict", json!(answer())),
        ("post", "/predict/batch", json!(schema::Predictions { predictions: vec![answer()] })),
        ("get", "/predictions", json!(schema::Page::from(page))),
        ("get", "/predictions/{id}", json!(schema::Record::from(record.clone()))),
        ("get", "/model", json!(schema::Model::of(&model, at))),
        ("get", "/ledger", json!(schema::Ledger::new(at, tally, spool))),
        ("get", "/health/live", json!(schema::Health::ok())),
        ("get", "/health/ready", json!(schema::Health::ok())),
    ] {
        let answer = &mut document["paths"][path][method]["responses"]["200"]["content"];
        answer["application/json"]["example"] = example;
    }
    Ok(())
}

/// A failure of this kind.
pub(super) fn problem(code: Code) -> Value {
    let meaning = code.meaning().replace('`', "");
    let problem = match code.status() {
        StatusCode::UNPROCESSABLE_ENTITY => {
            let message = "must be a number, not a string";
            Problem::invalid(vec![Misfit::new(
                Flaw::WrongType,
                format!("/{}", FEATURES[0].name),
                message,
            )])
        }
        _ => Problem::new(code, meaning),
    };
    problem.to_json()
}
