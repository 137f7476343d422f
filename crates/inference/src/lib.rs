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

pub use error::Error;
pub use manifest::{Manifest, Metrics, TrainedFeature};
pub use model::Model;
