//! The network: standardized rows in, scores of the classes out, as a single operation of candle.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Storage, Tensor, bail};
use domain::{N_CLASSES, N_FEATURES};

use crate::Error;
use crate::dense::{Dense, PANEL};
use crate::vectors::with_widest_vectors;

/// The most layers a network may have; what a file says beyond that is a mistake.
pub(crate) const MAX_LAYERS: usize = 8;

/// The most units a layer may have; what a file says beyond that is a mistake.
pub(crate) const MAX_WIDTH: usize = 1024;

/// How many rows of a batch go through the layers together, side by side in the vector registers.
const BLOCK: usize = 16;

/// How many units are summed at once for a block of rows: 32 sums are 8 registers of 4.
const UNITS: usize = 2;

/// A multilayer perceptron.
///
/// | tensor | shape                | dtype |
/// |--------|----------------------|-------|
/// | rows   | `(rows, N_FEATURES)` | f32   |
/// | scores | `(rows, N_CLASSES)`  | f32   |
///
/// To candle it is one operation rather than a `matmul`, `broadcast_add` and `relu` per layer, for three
/// reasons. Candle's product of matrices picks its order of summation by the number of rows, so a row gets
/// other bits in a batch than alone. Candle asks for the number of threads before each product, which reads
/// `/proc/cpuinfo`. And a tensor per layer costs more than a small layer (see the benchmark).
#[derive(Debug, Clone)]
pub(crate) struct Network {
    layers: Vec<Dense>,
    /// The room for the inputs or the outputs of any layer.
    n_room: usize,
}

impl Network {
    /// A network of these layers.
    ///
    /// # Errors
    ///
    /// Fails if they do not lead from the features to the classes.
    pub(crate) fn new(layers: Vec<Dense>) -> candle_core::Result<Self> {
        let n_in = layers.iter().map(Dense::n_in).chain([N_CLASSES]);
        let n_out = [N_FEATURES].into_iter().chain(layers.iter().map(Dense::n_out));
        if !n_in.eq(n_out) {
            bail!("the layers do not lead from {N_FEATURES} features to {N_CLASSES} classes");
        }
        let n_room = layers.iter().map(Dense::n_room).fold(N_FEATURES, usize::max);
        Ok(Self { layers, n_room })
    }

    /// What `read` makes of the scores of each class for each row: logits, not yet probabilities, in the
    /// order of [`Class::ALL`](domain::Class::ALL).
    pub(crate) fn scores<T>(
        &self,
        rows: Vec<[f32; N_FEATURES]>,
        read: impl FnOnce(&[[f32; N_CLASSES]]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let shape = (rows.len(), N_FEATURES);
        let rows = Tensor::from_vec(rows.into_flattened(), shape, &Device::Cpu)?;
        let scores = rows.apply_op1_no_bwd(self)?;
        let (storage, layout) = scores.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => read(row_major(storage, layout)?),
            _ => Err(candle_core::Error::msg("the scores are not in main memory").into()),
        }
    }

    /// Takes `ROWS` rows at a time through all layers.
    #[inline(always)]
    fn forward<const ROWS: usize, const UNITS: usize>(
        &self,
        rows: &[[f32; N_FEATURES]],
        scores: &mut [[f32; N_CLASSES]],
    ) {
        let mut room = vec![[0.0; ROWS]; 2 * self.n_room];
        let (mut x, mut y) = room.split_at_mut(self.n_room);
        for (rows, scores) in rows.chunks(ROWS).zip(scores.chunks_mut(ROWS)) {
            // In the last block, lanes without a row keep what they held: lanes do not meet.
            for (lane, row) in rows.iter().enumerate() {
                for (x, value) in x.iter_mut().zip(row) {
                    x[lane] = *value;
                }
            }
            for layer in &self.layers {
                layer.forward::<ROWS, UNITS>(&x[..layer.n_in()], y);
                (x, y) = (y, x);
            }
            for (lane, scores) in scores.iter_mut().enumerate() {
                for (score, x) in scores.iter_mut().zip(&*x) {
                    *score = x[lane];
                }
            }
        }
    }
}

impl CustomOp1 for Network {
    fn name(&self) -> &'static str {
        "multilayer-perceptron"
    }

    fn cpu_fwd(
        &self,
        rows: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let rows = row_major(rows, layout)?;
        let mut scores = vec![[0.0; N_CLASSES]; rows.len()];
        with_widest_vectors(
            #[inline(always)]
            || match rows.len() {
                1 => self.forward::<1, PANEL>(rows, &mut scores),
                _ => self.forward::<BLOCK, UNITS>(rows, &mut scores),
            },
        );
        let shape = Shape::from((rows.len(), N_CLASSES));
        Ok((CpuStorage::F32(scores.into_flattened()), shape))
    }
}

/// The rows of a tensor of shape `(rows, N)`, dtype f32, if they lie in memory one after the other.
fn row_major<'a, const N: usize>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a [[f32; N]]> {
    let (n_rows, n_columns) = layout.shape().dims2()?;
    let elements = storage.as_slice::<f32>()?;
    let elements = layout.contiguous_offsets().and_then(|(start, end)| elements.get(start..end));
    match elements.map(<[f32]>::as_chunks) {
        Some((rows, [])) if n_columns == N && rows.len() == n_rows => Ok(rows),
        _ => bail!("a tensor of shape {:?} does not lie in rows of {N}", layout.dims()),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use candle_nn::{Linear, Module};

    use super::*;
    use crate::dense::Activation;

    /// `n` values in -1 to 1 without a pattern that a wrong index could hide behind.
    fn values(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32).mul_add(1.7, phase).sin()).collect()
    }

    /// The same network three times: ours, its weights in the order of the file, and candle's own.
    struct Networks {
        ours: Network,
        weights: Vec<(Vec<f32>, Vec<f32>)>,
        candle: Vec<Linear>,
    }

    impl Networks {
        fn new(hidden: &[usize]) -> Self {
            let units = [&[N_FEATURES], hidden, &[N_CLASSES]].concat();
            let (mut ours, mut candle, mut all_weights) = (Vec::new(), Vec::new(), Vec::new());
            for (i, sizes) in units.windows(2).enumerate() {
                let (n_in, n_out) = (sizes[0], sizes[1]);
                // Scaled, so that the sums keep their size from layer to layer.
                let scale = (2.0 / n_in as f32).sqrt();
                let weight = values(n_out * n_in, i as f32).into_iter();
                let weight: Vec<_> = weight.map(|value| value * scale).collect();
                let bias = values(n_out, 0.5);
                let is_last = i + 2 == units.len();
                let activation = if is_last { Activation::Identity } else { Activation::Relu };
                ours.push(Dense::new(&weight, &bias, activation).unwrap());
                candle.push(Linear::new(
                    Tensor::from_slice(&weight, (n_out, n_in), &Device::Cpu).unwrap(),
                    Some(Tensor::from_slice(&bias, n_out, &Device::Cpu).unwrap()),
                ));
                all_weights.push((weight, bias));
            }
            Self { ours: Network::new(ours).unwrap(), weights: all_weights, candle }
        }

        /// What every score is defined to be: `b + x₀w₀ + x₁w₁ + …`, in this order.
        fn by_definition(&self, row: [f32; N_FEATURES]) -> Vec<u32> {
            let mut x = row.to_vec();
            for (i, (weight, bias)) in self.weights.iter().enumerate() {
                let rows = weight.chunks_exact(x.len()).zip(bias);
                let sums = rows.map(|(weights, bias)| {
                    x.iter().zip(weights).fold(*bias, |sum, (x, weight)| sum + x * weight)
                });
                let is_last = i + 1 == self.weights.len();
                x = sums.map(|sum| if is_last { sum } else { sum.max(0.0) }).collect();
            }
            x.into_iter().map(f32::to_bits).collect()
        }

        /// Candle's plain forward pass.
        fn by_candle(&self, rows: &[[f32; N_FEATURES]]) -> Vec<f32> {
            let shape = (rows.len(), N_FEATURES);
            let mut x = Tensor::from_slice(rows.as_flattened(), shape, &Device::Cpu).unwrap();
            for (i, layer) in self.candle.iter().enumerate() {
                x = layer.forward(&x).unwrap();
                if i + 1 < self.candle.len() {
                    x = x.relu().unwrap();
                }
            }
            x.flatten_all().unwrap().to_vec1().unwrap()
        }
    }

    fn rows(n: usize) -> Vec<[f32; N_FEATURES]> {
        values(n * N_FEATURES, 0.3).as_chunks().0.to_vec()
    }

    fn scores(network: &Network, rows: &[[f32; N_FEATURES]]) -> Vec<[f32; N_CLASSES]> {
        network.scores(rows.to_vec(), |scores| Ok(scores.to_vec())).unwrap()
    }

    #[test]
    fn networks_of_every_shape_compute_what_they_are_defined_to_and_what_plain_candle_does() {
        let shapes: [&[usize]; 9] = [
            &[],
            &[1],
            &[16, 16],
            &[5, 7],
            &[15, 17],
            &[33, 2, 64],
            &[3; MAX_LAYERS - 1],
            &[MAX_WIDTH],
            &[100, MAX_WIDTH, 31],
        ];
        for hidden in shapes {
            let networks = Networks::new(hidden);
            for n_rows in [0, 1, 2, 15, 16, 17, 50] {
                let rows = rows(n_rows);
                let ours = scores(&networks.ours, &rows);
                let bits = ours.iter().map(|row| row.map(f32::to_bits).to_vec());
                let defined = rows.iter().map(|row| networks.by_definition(*row));
                assert!(bits.eq(defined), "{hidden:?}, {n_rows} rows");
                if n_rows == 0 {
                    continue; // Candle's product of matrices takes at least one.
                }
                let candle = networks.by_candle(&rows);
                assert_eq!(ours.as_flattened().len(), candle.len());
                for (ours, candle) in ours.as_flattened().iter().zip(candle) {
                    // Sums of numbers around 1, each rounded some hundred times at most on its way.
                    assert!((ours - candle).abs() <= 1e-4, "{hidden:?}: {ours} is not {candle}");
                }
            }
        }
    }

    #[test]
    fn layers_that_do_not_fit_each_other_are_refused() {
        let layer = |n_in, n_out| {
            Dense::new(&values(n_in * n_out, 0.0), &values(n_out, 0.0), Activation::Relu).unwrap()
        };
        assert!(Network::new(vec![layer(N_FEATURES, N_CLASSES)]).is_ok());
        assert!(Network::new(vec![]).is_err());
        assert!(Network::new(vec![layer(N_FEATURES + 1, N_CLASSES)]).is_err());
        assert!(Network::new(vec![layer(N_FEATURES, N_CLASSES + 1)]).is_err());
        assert!(Network::new(vec![layer(N_FEATURES, 5), layer(6, N_CLASSES)]).is_err());
    }

    #[test]
    fn a_tensor_that_does_not_fit_is_refused() {
        let network = Networks::new(&[2]).ours;
        let x = Tensor::from_vec(values(24, 0.0), (6, 4), &Device::Cpu).unwrap();
        let refused = |x: &Tensor| x.apply_op1_no_bwd(&network).is_err();
        assert!(!refused(&x));
        assert!(refused(&x.reshape((4, 6)).unwrap()), "6 columns for 4 features");
        assert!(refused(&x.reshape((4, 6)).unwrap().t().unwrap()), "column by column");
        assert!(refused(&x.flatten_all().unwrap()), "no rows");
        assert!(refused(&x.to_dtype(DType::F64).unwrap()), "float64");
    }

    #[test]
    fn a_view_into_a_larger_tensor_is_read_at_its_place() {
        let network = Networks::new(&[16]).ours;
        let x = Tensor::from_vec(values(20, 0.0), (5, 4), &Device::Cpu).unwrap();
        let scores = |x: &Tensor| x.apply_op1_no_bwd(&network).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(scores(&x)[3..], scores(&x.narrow(0, 3, 2).unwrap()));
    }

    #[test]
    fn relu_does_not_hide_nan() {
        let hidden = Dense::new(&[1.0; N_FEATURES], &[f32::NAN], Activation::Relu).unwrap();
        let last = Dense::new(&[1.0; N_CLASSES], &[0.0; N_CLASSES], Activation::Identity).unwrap();
        let network = Network::new(vec![hidden, last]).unwrap();
        for n_rows in [1, 2] {
            let scores = scores(&network, &rows(n_rows));
            assert!(scores.as_flattened().iter().all(|score| score.is_nan()));
        }
    }
}
