//! The layers as candle's users write them: `matmul`, `broadcast_add`, `relu`.

use candle_core::{Device, Result, Tensor};
use domain::N_FEATURES;

/// Layers of these sizes. The weights are zeros, which take as long as any.
#[derive(Debug)]
pub struct PlainCandle {
    layers: Vec<(Tensor, Tensor)>,
}

impl PlainCandle {
    /// Layers between units of these numbers.
    ///
    /// # Errors
    ///
    /// Fails if candle does.
    pub fn new(sizes: &[usize]) -> Result<Self> {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu);
        let layer = |sizes: &[usize]| Ok((zeros(&[sizes[1], sizes[0]])?, zeros(&[sizes[1]])?));
        Ok(Self { layers: sizes.windows(2).map(layer).collect::<Result<_>>()? })
    }

    /// The scores of one standardized row.
    ///
    /// # Errors
    ///
    /// Fails if candle does.
    pub fn scores(&self, row: &[f32; N_FEATURES]) -> Result<Vec<Vec<f32>>> {
        let mut x = Tensor::from_slice(row, (1, N_FEATURES), &Device::Cpu)?;
        for (i, (weight, bias)) in self.layers.iter().enumerate() {
            x = x.matmul(&weight.t()?)?.broadcast_add(bias)?;
            if i + 1 < self.layers.len() {
                x = x.relu()?;
            }
        }
        x.to_vec2()
    }
}
