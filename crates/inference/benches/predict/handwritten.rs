//! The loop that one would write by hand for exactly this network.

use candle_core::{Device, safetensors};
use domain::{Measurements, N_CLASSES, N_FEATURES, Prediction};
use inference::Model;

use crate::FILE;

const HIDDEN: usize = 16;

/// Every size is known when compiled, nothing is checked, nothing allocated.
pub(crate) struct Handwritten {
    means: [f64; N_FEATURES],
    scales: [f64; N_FEATURES],
    first: Layer<N_FEATURES, HIDDEN>,
    second: Layer<HIDDEN, HIDDEN>,
    last: Layer<HIDDEN, N_CLASSES>,
}

/// Weights as in the file: those of one unit after those of the other.
struct Layer<const IN: usize, const OUT: usize> {
    weight: [[f32; IN]; OUT],
    bias: [f32; OUT],
}

impl Handwritten {
    pub(crate) fn new(model: &Model) -> Self {
        let features = &model.manifest().features;
        Self {
            means: std::array::from_fn(|i| features[i].mean),
            scales: std::array::from_fn(|i| features[i].scale),
            first: Layer::new(0),
            second: Layer::new(1),
            last: Layer::new(2),
        }
    }

    pub(crate) fn predict(&self, measurements: &Measurements) -> Prediction {
        let mut x = [0.0; N_FEATURES];
        for (i, value) in measurements.to_row().into_iter().enumerate() {
            x[i] = ((value - self.means[i]) / self.scales[i]) as f32;
        }
        let relu = |sum: f32| sum.max(0.0);
        let hidden = self.first.forward(&x).map(relu);
        let hidden = self.second.forward(&hidden).map(relu);
        let scores = self.last.forward(&hidden).map(f64::from);
        let largest = scores.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let powers = scores.map(|score| (score - largest).exp());
        let sum: f64 = powers.iter().sum();
        Prediction::from_probabilities(powers.map(|power| power / sum))
    }
}

impl<const IN: usize, const OUT: usize> Layer<IN, OUT> {
    fn new(i: usize) -> Self {
        let tensors = safetensors::load_buffer(FILE, &Device::Cpu).unwrap();
        let tensor = |part: &str| tensors[&format!("layers.{i}.{part}")].flatten_all().unwrap();
        let weight: Vec<f32> = tensor("weight").to_vec1().unwrap();
        let bias: Vec<f32> = tensor("bias").to_vec1().unwrap();
        Self { weight: weight.as_chunks().0.try_into().unwrap(), bias: bias.try_into().unwrap() }
    }

    fn forward(&self, x: &[f32; IN]) -> [f32; OUT] {
        let mut y = self.bias;
        for (sum, weights) in y.iter_mut().zip(&self.weight) {
            for (x, weight) in x.iter().zip(weights) {
                *sum += x * weight;
            }
        }
        y
    }
}
