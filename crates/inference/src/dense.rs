//! One dense layer, as a single operation of candle.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};

/// A dense layer: `y = f(x · W + b)`, with `f` the identity or `max(·, 0)`.
///
/// | tensor   | shape           | dtype |
/// |----------|-----------------|-------|
/// | `x`      | `(rows, n_in)`  | f32   |
/// | `weight` | `(n_in, n_out)` | f32   |
/// | `bias`   | `(n_out,)`      | f32   |
/// | `y`      | `(rows, n_out)` | f32   |
///
/// This is candle's `matmul`, `broadcast_add` and `relu` in one operation, for two reasons. Candle's product
/// of matrices picks its order of summation by the number of rows, so a row gets other bits in a batch than
/// alone; here every output is `b + x₀w₀ + x₁w₁ + …`, rounded after each step, whatever surrounds the row.
/// And candle asks for the number of threads before each product, which reads `/proc/cpuinfo` and takes far
/// longer than a small layer (see the benchmark); here nothing is asked and no thread is started.
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    weight: Tensor,
    bias: Tensor,
    activation: Activation,
}

/// What is applied to the sums of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// The sums themselves, as scores of the classes need it.
    Identity,
    /// `max(·, 0)`; NaN stays NaN, so that it is seen at the end.
    Relu,
}

impl Dense {
    /// A layer of `bias.len()` units, from weights in the order of the file: `(n_out, n_in)`, row by row.
    ///
    /// They are kept transposed, so that the innermost loop runs over neighboring outputs.
    pub(crate) fn new(weight: &[f32], bias: &[f32], activation: Activation) -> Result<Self> {
        let n_out = bias.len();
        if n_out == 0 || weight.is_empty() || !weight.len().is_multiple_of(n_out) {
            bail!("{} weights cannot be shared by {n_out} units", weight.len());
        }
        let n_in = weight.len() / n_out;
        let transposed: Vec<f32> =
            (0..n_in).flat_map(|input| weight.iter().skip(input).step_by(n_in).copied()).collect();
        Ok(Self {
            weight: Tensor::from_vec(transposed, (n_in, n_out), &Device::Cpu)?,
            bias: Tensor::from_slice(bias, n_out, &Device::Cpu)?,
            activation,
        })
    }

    /// The outputs for each row of `x`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op3_no_bwd(&self.weight, &self.bias, &FusedDense(self.activation))
    }
}

/// The operation as candle knows it. Other devices than the CPU are refused by the trait's own defaults.
struct FusedDense(Activation);

impl CustomOp3 for FusedDense {
    fn name(&self) -> &'static str {
        "fused-dense"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n_rows, n_in) = x_layout.shape().dims2()?;
        let (weight_in, n_out) = weight_layout.shape().dims2()?;
        let n_bias = bias_layout.shape().dims1()?;
        if n_in == 0 || n_out == 0 || weight_in != n_in || n_bias != n_out {
            bail!("x has {n_in} columns, the weight {weight_in} × {n_out}, the bias {n_bias}");
        }
        let x = row_major(x, x_layout)?;
        let weight = row_major(weight, weight_layout)?;
        let bias = row_major(bias, bias_layout)?;

        let mut y = vec![0.0; n_rows * n_out];
        for (row, sums) in x.chunks_exact(n_in).zip(y.chunks_exact_mut(n_out)) {
            let (blocks, rest) = sums.as_chunks_mut::<BLOCK>();
            let n_blocked = blocks.len() * BLOCK;
            for (block, first) in blocks.iter_mut().zip((0..).step_by(BLOCK)) {
                add_up(block, row, bias, weight, first, n_out);
            }
            for (sum, unit) in rest.iter_mut().zip(n_blocked..) {
                add_up(std::array::from_mut(sum), row, bias, weight, unit, n_out);
            }
            if self.0 == Activation::Relu {
                for sum in sums {
                    *sum = if *sum < 0.0 { 0.0 } else { *sum };
                }
            }
        }
        Ok((CpuStorage::F32(y), Shape::from((n_rows, n_out))))
    }
}

/// How many neighboring units are summed at once: as many as fit the registers of any CPU. It changes the
/// speed and not one bit, since units do not meet.
const BLOCK: usize = 16;

/// The sums of `N` neighboring units from the unit `first` on: `b + x₀w₀ + x₁w₁ + …` each, in this order.
fn add_up<const N: usize>(
    sums: &mut [f32; N],
    row: &[f32],
    bias: &[f32],
    weight: &[f32],
    first: usize,
    n_out: usize,
) {
    let units = first..first + N;
    let mut running = [0.0; N];
    running.copy_from_slice(&bias[units.clone()]);
    for (value, weights) in row.iter().zip(weight.chunks_exact(n_out)) {
        for (sum, weight) in running.iter_mut().zip(&weights[units.clone()]) {
            *sum += value * weight;
        }
    }
    *sums = running;
}

/// The elements of a tensor of float32, if they lie in memory row by row.
fn row_major<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let elements = layout.contiguous_offsets().and_then(|(start, end)| {
        storage.as_slice::<f32>().map(|all| all.get(start..end)).transpose()
    });
    match elements {
        Some(elements) => elements,
        None => {
            bail!("the elements of a tensor of shape {:?} do not lie row by row", layout.dims())
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    /// Two sums of up to 17 products of values below 1, in whatever order: each is off by at most 17 ulp
    /// (2⁻²⁴) of the sum of magnitudes, 17, so both together by 2 · 17 · 17 · 2⁻²⁴ < 4e-5.
    const TOLERANCE: f32 = 4e-5;

    /// `n` values in -1 to 1 without a pattern that a wrong index could hide behind.
    fn values(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32).mul_add(1.7, phase).sin()).collect()
    }

    fn check_against_plain_candle(
        n_rows: usize,
        n_in: usize,
        n_out: usize,
        activation: Activation,
    ) {
        let (weight, bias) = (values(n_out * n_in, 0.1), values(n_out, 0.2));
        let x = Tensor::from_vec(values(n_rows * n_in, 0.3), (n_rows, n_in), &Device::Cpu).unwrap();
        let fused = Dense::new(&weight, &bias, activation).unwrap().forward(&x).unwrap();

        let weight = Tensor::from_vec(weight, (n_out, n_in), &Device::Cpu).unwrap();
        let bias = Tensor::from_vec(bias, n_out, &Device::Cpu).unwrap();
        let mut plain = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        if activation == Activation::Relu {
            plain = plain.relu().unwrap();
        }

        assert_eq!(fused.dims(), plain.dims());
        let (fused, plain) = (fused.to_vec2::<f32>().unwrap(), plain.to_vec2::<f32>().unwrap());
        for (fused, plain) in fused.concat().into_iter().zip(plain.concat()) {
            assert!((fused - plain).abs() <= TOLERANCE, "{fused} is not {plain}");
        }
    }

    #[test]
    fn a_layer_computes_what_plain_candle_computes() {
        for n_rows in [0, 1, 2, 7, 150] {
            for (n_in, n_out) in [(1, 1), (4, 16), (16, 16), (16, 3), (5, 7)] {
                for activation in [Activation::Identity, Activation::Relu] {
                    check_against_plain_candle(n_rows, n_in, n_out, activation);
                }
            }
        }
    }

    #[test]
    fn a_tensor_that_does_not_fit_is_refused() {
        let layer = Dense::new(&values(6, 0.0), &values(2, 0.0), Activation::Relu).unwrap();
        let x = Tensor::from_vec(values(6, 0.0), (2, 3), &Device::Cpu).unwrap();
        assert!(layer.forward(&x).is_ok());
        assert!(layer.forward(&x.t().unwrap()).is_err(), "2 columns for 3 inputs");
        assert!(
            layer.forward(&x.reshape((3, 2)).unwrap().t().unwrap()).is_err(),
            "column by column"
        );
        assert!(layer.forward(&x.reshape(6).unwrap()).is_err(), "no rows");
        assert!(layer.forward(&x.to_dtype(DType::F64).unwrap()).is_err(), "float64");
    }

    #[test]
    fn a_view_into_a_larger_tensor_is_read_at_its_place() {
        let layer = Dense::new(&values(6, 0.0), &values(2, 0.0), Activation::Identity).unwrap();
        let x = Tensor::from_vec(values(12, 0.0), (4, 3), &Device::Cpu).unwrap();
        let all = layer.forward(&x).unwrap().to_vec2::<f32>().unwrap();
        let last = layer.forward(&x.narrow(0, 2, 2).unwrap()).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(all[2..], last);
    }

    #[test]
    fn weights_that_make_no_matrix_are_refused() {
        for (n_weights, n_out) in [(0, 0), (0, 2), (3, 0), (5, 2)] {
            let layer = Dense::new(&values(n_weights, 0.0), &values(n_out, 0.0), Activation::Relu);
            assert!(layer.is_err(), "{n_weights} weights, {n_out} units");
        }
    }

    #[test]
    fn relu_does_not_hide_nan() {
        let layer = Dense::new(&[1.0], &[f32::NAN], Activation::Relu).unwrap();
        let x = Tensor::from_slice(&[1.0_f32], (1, 1), &Device::Cpu).unwrap();
        assert!(layer.forward(&x).unwrap().to_vec2::<f32>().unwrap()[0][0].is_nan());
    }
}
