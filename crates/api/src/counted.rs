//! The operation whose instructions `benchmarks/instructions.py` counts: a request is parsed and answered, with the front,
//! the body and the answer of `POST /predict`, but neither the model nor the record is asked.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use domain::{FEATURES, N_CLASSES, Prediction, Record, Warning};
use poem::http::{Method, StatusCode};
use poem::web::Data;
use poem::{Endpoint, Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::types::Example;
use recorder::Stored;
use serde_json::Value;
use uuid::Uuid;

use crate::contract::Contract;
use crate::cors::Cors;
use crate::document::Document;
use crate::front::{Arrived, Front};
use crate::guard::Guard;
use crate::idempotency::IdempotencyKey;
use crate::metrics::Requests;
use crate::predicted::Predicted;
use crate::strict::Strict;
use crate::{json, schema};

/// How often the operation is carried out; whoever counts says it.
fn rounds() -> usize {
    std::env::var("COUNTED_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

/// Answers every row with the same prediction.
struct Parrot;

#[OpenApi]
impl Parrot {
    #[oai(path = "/predict", method = "post")]
    async fn predict(
        &self,
        Data(arrived): Data<&Arrived>,
        #[oai(name = "Idempotency-Key")] key: IdempotencyKey,
        Strict(measurements): Strict<schema::Measurements>,
    ) -> Predicted<schema::Prediction> {
        let record = Record {
            id: Uuid::nil(),
            timestamp: arrived.0,
            measurements,
            prediction: Prediction::from_probabilities([0.25; N_CLASSES]),
            model_version: "1.0.0+00000000".into(),
            truth: None,
        };
        assert!(key.0.is_none());
        let training = FEATURES.map(|feature| feature.minimum..=feature.maximum);
        let warnings = Warning::about(&record.measurements, &training);
        let prediction = schema::Prediction::new(&record, warnings, Stored::Committed);
        Predicted::new(json::body(&prediction), false)
    }
}

fn routes() -> impl Endpoint<Output = Response> {
    let contract = Contract::of(&Document::generate().unwrap(), &[]).unwrap();
    let mut operations = HashMap::new();
    Parrot.add_routes(&mut operations);
    // Called directly, as `Operations` does.
    let predict = operations.get_mut("/predict").and_then(|it| it.remove(&Method::POST)).unwrap();
    let requests = Arc::new(Requests::new(contract.templates()));
    Front::new(predict, contract, Guard::default(), Cors::default(), requests, Arc::default())
}

#[tokio::test]
async fn request_without_record() {
    let routes = routes();
    let example = schema::Measurements::example();
    let body = Bytes::from(serde_json::to_vec(&example).unwrap());
    let mut answer = Bytes::new();
    for _ in 0..rounds() {
        let request = Request::builder()
            .method(Method::POST)
            .uri_str("/predict")
            .header("host", "127.0.0.1:8000")
            .content_type("application/json")
            .body(black_box(&body).clone());
        let response = routes.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        answer = response.into_body().into_bytes().await.unwrap();
    }

    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["model_version"], "1.0.0+00000000");
    assert_eq!(answer["probabilities"], Value::from(vec![0.25; N_CLASSES]));
    assert_eq!(answer["warnings"], Value::Array(vec![]));
}
