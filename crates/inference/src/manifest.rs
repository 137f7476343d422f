//! What a model file says about itself.

use domain::{Class, FEATURES, Feature, N_CLASSES, N_FEATURES};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::network::{MAX_LAYERS, MAX_WIDTH};

/// The description of a model, kept in its file: in the `__metadata__` of the SafeTensors header, under the
/// key `manifest`, as JSON with the fields in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What the model is called.
    pub name: String,
    /// Its version, given by whoever trained it; [`Model::version`](crate::Model::version) adds the hash.
    pub version: String,
    /// The number of features, of units in each hidden layer, and of classes.
    pub layers: Vec<usize>,
    /// What is applied to the hidden layers: `relu`.
    pub activation: String,
    /// The features, in the order of the network's inputs.
    pub features: Vec<TrainedFeature>,
    /// The names of the classes, in the order of the network's outputs.
    pub classes: Vec<String>,
    /// The SHA-256 of the training data's file, in lower-case hexadecimal digits.
    pub data_sha256: String,
    /// The seed of the random numbers behind the splits and the first weights.
    pub seed: u64,
    /// How well the model and its kind did.
    pub metrics: Metrics,
}

/// One feature as the training data had it. Numbers are in its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedFeature {
    /// Its name.
    pub name: String,
    /// The unit of its values.
    pub unit: String,
    /// The smallest training value.
    pub minimum: f64,
    /// The largest training value.
    pub maximum: f64,
    /// The mean of the training values, subtracted from every input.
    pub mean: f64,
    /// The standard deviation of the training values, by which every input is then divided; above 0.
    pub scale: f64,
}

/// Accuracies: shares of rows whose class was predicted, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// On each fold of a stratified cross-validation, by a model trained on the other folds.
    pub fold_accuracies: Vec<f64>,
    /// The mean of `fold_accuracies`.
    pub cross_validation_accuracy: f64,
    /// On the held-out part of a stratified split, by a model trained on the rest.
    pub held_out_accuracy: f64,
    /// Of the model in this file, on the rows it was trained on.
    pub training_accuracy: f64,
}

impl Manifest {
    /// Checks that a model described like this can serve [`FEATURES`] and [`Class::ALL`].
    ///
    /// # Errors
    ///
    /// Fails with the first thing that does not fit.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_version()?;
        self.check_features()?;
        self.check_classes()?;
        self.check_layers()
    }

    /// The version ends up in logs, in JSON and in the database, so it has to be plain.
    fn check_version(&self) -> Result<(), Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if (1..=64).contains(&self.version.len()) && self.version.bytes().all(plain) {
            Ok(())
        } else {
            Err(Error::Version { found: self.version.clone() })
        }
    }

    fn check_features(&self) -> Result<(), Error> {
        let expected = FEATURES.map(|feature| feature.name);
        if !self.features.iter().map(|feature| &feature.name).eq(&expected) {
            let found = self.features.iter().map(|feature| feature.name.clone()).collect();
            return Err(Error::Features { expected: expected.to_vec(), found });
        }
        self.features.iter().zip(FEATURES).try_for_each(|(trained, feature)| trained.check(feature))
    }

    fn check_classes(&self) -> Result<(), Error> {
        let expected = Class::ALL.map(Class::name);
        if self.classes.iter().eq(&expected) {
            Ok(())
        } else {
            Err(Error::Classes { expected: expected.to_vec(), found: self.classes.clone() })
        }
    }

    fn check_layers(&self) -> Result<(), Error> {
        let leads_through = self.layers.first() == Some(&N_FEATURES)
            && self.layers.last() == Some(&N_CLASSES)
            && (2..=MAX_LAYERS + 1).contains(&self.layers.len())
            && self.layers.iter().all(|units| (1..=MAX_WIDTH).contains(units));
        if !leads_through {
            return Err(Error::Layers { found: self.layers.clone() });
        }
        if self.activation == "relu" {
            Ok(())
        } else {
            Err(Error::Activation { found: self.activation.clone() })
        }
    }
}

impl TrainedFeature {
    fn check(&self, Feature { name: feature, unit: expected, .. }: Feature) -> Result<(), Error> {
        let Self { minimum, maximum, mean, scale, .. } = *self;
        if self.unit != expected {
            return Err(Error::Unit { feature, expected, found: self.unit.clone() });
        }
        if !(minimum.is_finite() && maximum.is_finite() && minimum <= maximum) {
            return Err(Error::Range { feature, minimum, maximum });
        }
        if !(mean.is_finite() && scale.is_finite() && scale > 0.0) {
            return Err(Error::Standardization { feature, mean, scale });
        }
        Ok(())
    }
}
