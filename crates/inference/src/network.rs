//! The network: standardized rows in, scores of the classes out.

use candle_core::{Device, Storage, Tensor};
use domain::{N_CLASSES, N_FEATURES};

use crate::Error;
use crate::dense::Dense;

/// The most layers a network may have; what a file says beyond that is a mistake.
pub(crate) const MAX_LAYERS: usize = 8;

/// The most units a layer may have; what a file says beyond that is a mistake.
pub(crate) const MAX_WIDTH: usize = 1024;

/// A multilayer perceptron.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    layers: Vec<Dense>,
}

impl Network {
    /// A network of these layers, the first of which takes the features and the last of which scores the
    /// classes.
    pub(crate) const fn new(layers: Vec<Dense>) -> Self {
        Self { layers }
    }

    /// Scores each class for each row: logits, not yet probabilities, in the order of
    /// [`Class::ALL`](domain::Class::ALL).
    pub(crate) fn scores(
        &self,
        rows: &[[f32; N_FEATURES]],
    ) -> Result<Vec<[f32; N_CLASSES]>, Error> {
        let mut x =
            Tensor::from_slice(rows.as_flattened(), (rows.len(), N_FEATURES), &Device::Cpu)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        let (storage, layout) = x.storage_and_layout();
        let scores = match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(storage), Some((start, end))) => {
                storage.as_slice::<f32>()?.get(start..end)
            }
            _ => None,
        };
        let scores = scores.unwrap_or_default().as_chunks::<N_CLASSES>().0;
        if scores.len() != rows.len() {
            return Err(candle_core::Error::msg("the network lost rows on the way").into());
        }
        Ok(scores.to_vec())
    }
}
