//! The same network as users of candle write it.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear, ops};
use domain::{Measurements, N_CLASSES, N_FEATURES, Prediction};
use inference::Model;

use crate::FILE;

/// Tensors from end to end.
pub(crate) struct PlainCandle {
    means: Tensor,
    scales: Tensor,
    layers: Vec<Linear>,
}

impl PlainCandle {
    pub(crate) fn new(model: &Model) -> Self {
        let manifest = model.manifest();
        let tensor = |values: Vec<f64>| Tensor::new(values, &Device::Cpu).unwrap();
        let file = VarBuilder::from_slice_safetensors(FILE, DType::F32, &Device::Cpu)
            .unwrap()
            .pp("layers");
        let sizes = manifest.layers.windows(2).enumerate();
        Self {
            means: tensor(manifest.features.iter().map(|feature| feature.mean).collect()),
            scales: tensor(manifest.features.iter().map(|feature| feature.scale).collect()),
            layers: sizes.map(|(i, size)| linear(size[0], size[1], file.pp(i)).unwrap()).collect(),
        }
    }

    pub(crate) fn predict_batch(&self, rows: &[Measurements]) -> Result<Vec<Prediction>> {
        let shape = (rows.len(), N_FEATURES);
        let values = rows.iter().flat_map(Measurements::to_row).collect();
        let x = Tensor::from_vec(values, shape, &Device::Cpu)?;
        let x = x.broadcast_sub(&self.means)?.broadcast_div(&self.scales)?;
        let mut x = x.to_dtype(DType::F32)?;
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x)?;
            if i + 1 < self.layers.len() {
                x = x.relu()?;
            }
        }
        let probabilities = ops::softmax(&x.to_dtype(DType::F64)?, 1)?;
        let probabilities = probabilities.flatten_all()?.to_vec1()?;
        let rows = probabilities.as_chunks::<N_CLASSES>().0.iter();
        Ok(rows.map(|row| Prediction::from_probabilities(*row)).collect())
    }
}
