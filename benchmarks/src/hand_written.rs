//! The model as a loop over arrays: what its arithmetic costs, without any library around it.

use anyhow::{Context, ensure};
use domain::{Measurements, N_CLASSES, N_FEATURES, Prediction};
use inference::Manifest;
use safetensors::SafeTensors;

/// Units of each hidden layer.
const HIDDEN: usize = 16;

/// A network of two hidden layers in arrays whose sizes the compiler knows.
#[derive(Debug)]
pub struct HandWritten {
    means: [f64; N_FEATURES],
    scales: [f64; N_FEATURES],
    first: Layer<N_FEATURES, HIDDEN>,
    second: Layer<HIDDEN, HIDDEN>,
    last: Layer<HIDDEN, N_CLASSES>,
}

impl HandWritten {
    /// The network in this SafeTensors file, with the standardization that its manifest describes.
    ///
    /// # Errors
    ///
    /// Fails if the file holds a network of another shape.
    pub fn new(file: &[u8], manifest: &Manifest) -> anyhow::Result<Self> {
        let sizes = [N_FEATURES, HIDDEN, HIDDEN, N_CLASSES];
        ensure!(manifest.layers == sizes, "layers of {:?} instead of {sizes:?}", manifest.layers);
        let tensors = SafeTensors::deserialize(file)?;
        let mut network = Self {
            means: [0.0; N_FEATURES],
            scales: [1.0; N_FEATURES],
            first: Layer::read(&tensors, 0)?,
            second: Layer::read(&tensors, 1)?,
            last: Layer::read(&tensors, 2)?,
        };
        for (i, feature) in manifest.features.iter().enumerate() {
            (network.means[i], network.scales[i]) = (feature.mean, feature.scale);
        }
        Ok(network)
    }

    /// The prediction for one row.
    #[must_use]
    pub fn predict(&self, measurements: &Measurements) -> Prediction {
        let row = measurements.to_row();
        let mut x = [0.0; N_FEATURES];
        for i in 0..N_FEATURES {
            x[i] = ((row[i] - self.means[i]) / self.scales[i]) as f32;
        }
        let x = self.first.forward(&x).map(|sum| sum.max(0.0));
        let x = self.second.forward(&x).map(|sum| sum.max(0.0));
        let scores = self.last.forward(&x);
        let largest = scores.into_iter().fold(f32::NEG_INFINITY, f32::max);
        let powers = scores.map(|score| (f64::from(score) - f64::from(largest)).exp());
        let sum: f64 = powers.iter().sum();
        Prediction::from_probabilities(powers.map(|power| power / sum))
    }
}

/// The weights of a layer, those of one input together, and its biases.
#[derive(Debug)]
struct Layer<const IN: usize, const OUT: usize> {
    weight: [[f32; OUT]; IN],
    bias: [f32; OUT],
}

impl<const IN: usize, const OUT: usize> Layer<IN, OUT> {
    fn read(tensors: &SafeTensors<'_>, number: usize) -> anyhow::Result<Self> {
        let weight = values(tensors, &format!("layers.{number}.weight"), IN * OUT)?;
        let bias = values(tensors, &format!("layers.{number}.bias"), OUT)?;
        let mut layer = Self { weight: [[0.0; OUT]; IN], bias: [0.0; OUT] };
        layer.bias.copy_from_slice(&bias);
        for (unit, weights) in weight.chunks_exact(IN).enumerate() {
            for (input, value) in weights.iter().enumerate() {
                layer.weight[input][unit] = *value;
            }
        }
        Ok(layer)
    }

    fn forward(&self, x: &[f32; IN]) -> [f32; OUT] {
        let mut sums = self.bias;
        for (value, weights) in x.iter().zip(&self.weight) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
        sums
    }
}

/// The elements of a tensor that must have so many.
fn values(tensors: &SafeTensors<'_>, name: &str, n: usize) -> anyhow::Result<Vec<f32>> {
    let tensor = tensors.tensor(name).with_context(|| format!("no tensor {name}"))?;
    let values: Vec<_> =
        tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    ensure!(values.len() == n, "{name} has {} elements instead of {n}", values.len());
    Ok(values)
}
