#![doc = include_str!("../README.md")]

mod dense;
mod error;
mod exponential;
mod finite;
mod manifest;
mod model;
mod model_file;
mod network;
mod softmax;
mod standardization;
mod vectors;

// The types in the signatures here, so that nobody has to depend on two crates.
#[doc(inline)]
pub use domain::{Class, FEATURES, Feature, Measurements, N_CLASSES, N_FEATURES, Prediction};

pub use error::Error;
pub use manifest::{Manifest, Metrics, TrainedFeature};
pub use model::Model;
