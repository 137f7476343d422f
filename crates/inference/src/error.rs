//! What can go wrong: a file that does not fit, a row that cannot be predicted.

use std::path::PathBuf;

use domain::{N_CLASSES, N_FEATURES};

use crate::model_file::MAX_FILE_BYTES;
use crate::network::{MAX_LAYERS, MAX_WIDTH};

/// A failure of a library underneath, with its type erased: which library that is stays our own business.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a model could not be loaded, or a row not be predicted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the model file {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },

    /// The file is larger than any model of this kind.
    #[error("the model file has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,

    /// The bytes are not a SafeTensors file.
    #[error("the model file is not a valid safetensors file")]
    NotSafetensors(#[source] Source),

    /// The `__metadata__` of the file has no key `manifest`.
    #[error("the model file has no manifest in its metadata")]
    NoManifest,

    /// The manifest is not JSON, or lacks a field, or has one too many.
    #[error("the manifest of the model file cannot be read")]
    Manifest(#[source] serde_json::Error),

    /// The version cannot be part of a version string.
    #[error(
        "the model's version {found:?} is not 1 to 64 letters, digits, dots, hyphens or underscores"
    )]
    Version {
        /// What the manifest says.
        found: String,
    },

    /// The model was trained on other features, or on these in another order.
    #[error("the model's features are {found:?}, not {expected:?}")]
    Features {
        /// The names of [`FEATURES`](crate::FEATURES).
        expected: Vec<&'static str>,
        /// What the manifest says.
        found: Vec<String>,
    },

    /// The model was trained on values in another unit.
    #[error("the model's unit of {feature} is {found:?}, not {expected:?}")]
    Unit {
        /// The feature.
        feature: &'static str,
        /// Its unit in [`FEATURES`](crate::FEATURES).
        expected: &'static str,
        /// What the manifest says.
        found: String,
    },

    /// The training range of a feature ends before it begins.
    #[error("the training range of {feature} is not ordered: {minimum} to {maximum}")]
    Range {
        /// The feature.
        feature: &'static str,
        /// The smallest training value, as the manifest has it.
        minimum: f64,
        /// The largest training value, as the manifest has it.
        maximum: f64,
    },

    /// Values of a feature cannot be standardized with these numbers.
    #[error("{feature} cannot be standardized with mean {mean} and scale {scale}")]
    Standardization {
        /// The feature.
        feature: &'static str,
        /// Its mean, as the manifest has it; it must be finite.
        mean: f64,
        /// Its scale, as the manifest has it; it must be finite and above 0.
        scale: f64,
    },

    /// The model tells other classes apart, or these in another order.
    #[error("the model's classes are {found:?}, not {expected:?}")]
    Classes {
        /// The names of [`Class::ALL`](crate::Class::ALL).
        expected: Vec<&'static str>,
        /// What the manifest says.
        found: Vec<String>,
    },

    /// The layers do not lead from the features to the classes, or are absurdly many or wide.
    #[error(
        "the layer sizes {found:?} do not lead from {N_FEATURES} features to {N_CLASSES} classes \
         in 1 to {MAX_LAYERS} layers of 1 to {MAX_WIDTH} units"
    )]
    Layers {
        /// What the manifest says.
        found: Vec<usize>,
    },

    /// The hidden layers have an activation that is not known here.
    #[error("the activation {found:?} is not known; only \"relu\" is")]
    Activation {
        /// What the manifest says.
        found: String,
    },

    /// A tensor that the layer sizes call for is not there.
    #[error("the tensor {name} is missing")]
    MissingTensor {
        /// Its name.
        name: String,
    },

    /// A tensor is there that the layer sizes do not call for.
    #[error("the tensor {name:?} is not part of the model")]
    UnexpectedTensor {
        /// Its name.
        name: String,
    },

    /// A tensor has another shape than the layer sizes call for.
    #[error("the tensor {name} has shape {found:?}, not {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape that follows from the layer sizes.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },

    /// A tensor does not hold float32.
    #[error("the tensor {name} has dtype {found}, not F32")]
    Dtype {
        /// Its name.
        name: String,
        /// Its dtype in the words of SafeTensors.
        found: String,
    },

    /// A weight is NaN or infinite.
    #[error("the tensor {name} has a value that is not finite")]
    Weight {
        /// The name of its tensor.
        name: String,
    },

    /// A measurement is NaN, infinite, or so large that it becomes infinite when standardized.
    #[error("{feature} of row {row} is not finite once standardized")]
    Input {
        /// The place of the row in the batch, from 0.
        row: usize,
        /// The feature.
        feature: &'static str,
    },

    /// The network overflowed: a row has no finite scores.
    #[error("the scores of row {row} are not finite")]
    Output {
        /// The place of the row in the batch, from 0.
        row: usize,
    },

    /// The tensor library refused an operation; with a loaded model this is a bug.
    #[error("the network could not be computed")]
    Computation(#[source] Source),
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Computation(Box::new(error))
    }
}
