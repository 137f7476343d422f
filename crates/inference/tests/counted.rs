//! The operations whose instructions `benchmarks/instructions.py` counts, and that they do what is counted.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::hint::black_box;

use domain::{Class, Measurements};
use inference::Model;

/// How often the operation is carried out; whoever counts says it.
fn rounds() -> usize {
    std::env::var("COUNTED_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

fn model() -> Model {
    Model::embedded().unwrap()
}

fn virginica() -> Measurements {
    Measurements { sepal_width: 3.0, sepal_length: 5.9, petal_width: 1.8, petal_length: 5.1 }
}

#[test]
fn one_row() {
    let (model, row) = (model(), virginica());
    for _ in 0..rounds() {
        let prediction = black_box(&model).predict(black_box(&row)).unwrap();
        assert_eq!(prediction.class, Class::from_number(2).unwrap());
    }
}

#[test]
fn batch_of_256() {
    let (model, rows) = (model(), vec![virginica(); 256]);
    let alone = model.predict(&rows[0]).unwrap();
    for _ in 0..rounds() {
        let predictions = black_box(&model).predict_batch(black_box(&rows)).unwrap();
        assert_eq!((predictions.len(), predictions[255]), (256, alone));
    }
}
