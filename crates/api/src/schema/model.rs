//! The model that is served, as it is described to callers.

use chrono::{DateTime, Utc};
use domain::{Class, FEATURES};
use poem_openapi::Object;
use serde::Serialize;

use crate::one_of::OneOf;
use crate::scalar::Timestamp;

/// The model that is served.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Model {
    /// What it is called.
    name: String,
    /// The `model_version` of its predictions: its version, `+`, and the start of its file's SHA-256.
    version: String,
    /// The SHA-256 of its file, in hexadecimal digits.
    sha256: String,
    /// When this process loaded it, UTC.
    loaded_at: Timestamp,
    /// What it is told about one flower, in the order of its inputs.
    features: Vec<Feature>,
    /// What it can answer, in the order of `probabilities`.
    classes: Vec<ModelClass>,
    /// How well it does, from its model card.
    metrics: ModelMetrics,
}

/// One feature of the model.
#[derive(Debug, Serialize, Object)]
pub(crate) struct Feature {
    /// The name of its field.
    name: String,
    /// The unit of its values.
    unit: String,
    /// The smallest value that a request may have.
    minimum: f64,
    /// The largest value that a request may have.
    maximum: f64,
    /// The smallest value in the training data.
    training_minimum: f64,
    /// The largest value in the training data. Beyond these two a prediction has a warning.
    training_maximum: f64,
}

/// One class of the model.
#[derive(Debug, Serialize, Object)]
pub(crate) struct ModelClass {
    /// Its number, as in `iris_class`.
    number: i32,
    /// Its name, as in `species`.
    name: OneOf<Class>,
}

/// Accuracies: shares of rows whose class was predicted, 0 to 1.
#[derive(Debug, Serialize, Object)]
pub(crate) struct ModelMetrics {
    /// The mean over a stratified cross-validation.
    cross_validation_accuracy: f64,
    /// On rows that were held out, by a model trained on the rest.
    held_out_accuracy: f64,
    /// Of this model on the rows that it was trained on.
    training_accuracy: f64,
}

impl Model {
    /// What the model says about itself.
    pub(crate) fn of(model: &inference::Model, loaded_at: DateTime<Utc>) -> Self {
        let manifest = model.manifest();
        let features = FEATURES.iter().zip(model.training_ranges()).map(|(feature, training)| {
            let domain::Feature { name, unit, minimum, maximum } = *feature;
            Feature {
                name: name.to_owned(),
                unit: unit.to_owned(),
                minimum,
                maximum,
                training_minimum: *training.start(),
                training_maximum: *training.end(),
            }
        });
        let class = |class: Class| ModelClass { number: class.number(), name: OneOf(class) };
        let inference::Metrics {
            cross_validation_accuracy,
            held_out_accuracy,
            training_accuracy,
            ..
        } = manifest.metrics;
        Self {
            name: manifest.name.clone(),
            version: model.version().to_owned(),
            sha256: model.sha256().to_owned(),
            loaded_at: Timestamp(loaded_at),
            features: features.collect(),
            classes: Class::ALL.into_iter().map(class).collect(),
            metrics: ModelMetrics {
                cross_validation_accuracy,
                held_out_accuracy,
                training_accuracy,
            },
        }
    }
}
