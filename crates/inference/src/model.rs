//! The public face: measurements in, predictions out.

use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;
use std::slice;

use candle_core::Error as Computation;
use domain::{Measurements, N_CLASSES, N_FEATURES, Prediction};
use sha2::{Digest, Sha256};

use crate::finite::first_not_finite;
use crate::model_file::{self, MAX_FILE_BYTES};
use crate::network::Network;
use crate::softmax::softmax;
use crate::standardization::Standardization;
use crate::{Error, Manifest};

/// The trained model that comes with the project; `weights/README.md` is its model card.
const EMBEDDED: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../weights/iris-mlp.safetensors"));

/// How many rows of a batch are taken through all steps at a time, so that what lies between the steps stays
/// in the cache and its memory is used again.
const PART: usize = 1024;

/// A trained classifier, ready to predict.
///
/// It is `Send` and `Sync`, never changes, starts no threads and reads no environment variables.
#[derive(Debug, Clone)]
pub struct Model {
    manifest: Manifest,
    version: String,
    sha256: String,
    training_ranges: [RangeInclusive<f64>; N_FEATURES],
    standardization: Standardization,
    network: Network,
}

impl Model {
    /// The model that is built into this crate.
    ///
    /// # Errors
    ///
    /// As [`from_bytes`](Self::from_bytes), should the crate have been built with a file that does not fit.
    pub fn embedded() -> Result<Self, Error> {
        Self::from_bytes(EMBEDDED)
    }

    /// The model in the file at `path`, which is read to its end and not kept open or mapped.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Unreadable`] if the file cannot be read, else as [`from_bytes`](Self::from_bytes).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        Self::from_bytes(&bytes)
    }

    /// The model in `bytes`, a whole SafeTensors file that describes itself (see [`Manifest`]).
    ///
    /// # Errors
    ///
    /// Fails if the file is not of that format, if its features are not [`FEATURES`](crate::FEATURES) or its classes
    /// not [`Class::ALL`](crate::Class::ALL), or if manifest and tensors do not fit each other; the error names the
    /// first thing that is wrong. No bytes whatever make it panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (manifest, network) = model_file::read(bytes)?;
        let mut training_ranges = [const { 0.0..=0.0 }; N_FEATURES];
        for (range, feature) in training_ranges.iter_mut().zip(&manifest.features) {
            *range = feature.minimum..=feature.maximum;
        }
        let sha256 = sha256(bytes);
        Ok(Self {
            version: format!("{}+{}", manifest.version, &sha256[..SHORT_HASH]),
            sha256,
            standardization: Standardization::of(&manifest),
            training_ranges,
            manifest,
            network,
        })
    }

    /// Which model this is: `<manifest version>+<first 8 hexadecimal digits of the file's SHA-256>`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The SHA-256 of the model's file, in lower-case hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What the file says about itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The smallest and the largest training value of each feature, in the order of [`FEATURES`](crate::FEATURES).
    #[must_use]
    pub const fn training_ranges(&self) -> &[RangeInclusive<f64>; N_FEATURES] {
        &self.training_ranges
    }

    /// The prediction for one row.
    ///
    /// # Errors
    ///
    /// As [`predict_batch`](Self::predict_batch).
    pub fn predict(&self, measurements: &Measurements) -> Result<Prediction, Error> {
        let mut prediction = None;
        self.predict_part(0, slice::from_ref(measurements), |it| prediction = Some(it))?;
        prediction.ok_or_else(|| Computation::msg("the network lost the row").into())
    }

    /// The predictions for these rows, in their order; each has the same bits as alone.
    ///
    /// # Errors
    ///
    /// Fails as a whole with [`Error::Input`] if a measurement is not finite (or beyond float32 once
    /// standardized), and with [`Error::Output`] if the network overflows. Neither happens to values that
    /// [`Feature::admits`](crate::Feature::admits), unless the weights are absurd.
    pub fn predict_batch(&self, measurements: &[Measurements]) -> Result<Vec<Prediction>, Error> {
        let mut predictions = Vec::with_capacity(measurements.len());
        for (part, first) in measurements.chunks(PART).zip((0..).step_by(PART)) {
            self.predict_part(first, part, |prediction| predictions.push(prediction))?;
        }
        Ok(predictions)
    }

    /// Gives the prediction for each row to `receive`, in turn; `first` is the number of the first row.
    fn predict_part(
        &self,
        first: usize,
        measurements: &[Measurements],
        mut receive: impl FnMut(Prediction),
    ) -> Result<(), Error> {
        let rows = self.standardization.apply(first, measurements)?;
        self.network.scores(rows, |scores| match first_not_finite(scores.as_flattened()) {
            Some(place) => Err(Error::Output { row: first + place / N_CLASSES }),
            None => {
                softmax(
                    scores,
                    #[inline(always)]
                    |row| receive(Prediction::from_probabilities(row)),
                );
                Ok(())
            }
        })
    }
}

/// How many hexadecimal digits of the SHA-256 are in the version.
const SHORT_HASH: usize = 8;

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_can_be_shared_between_threads() {
        const fn check<T: Send + Sync + 'static>() {}
        check::<Model>();
        check::<Error>();
    }
}
