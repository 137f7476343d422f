//! One dense layer, computed for one row or for a block of rows at a time.

use candle_core::{Result, bail};

/// A dense layer: `y = f(x · W + b)` in float32, with `f` the identity or `max(·, 0)`.
///
/// Every output is `b + x₀w₀ + x₁w₁ + …`, each product and each sum rounded, in this order and without fused
/// multiplication and addition: no bit depends on the number of rows or on the CPU.
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    n_in: usize,
    n_out: usize,
    /// The weights of `PANEL` neighboring units at a time: `n_in` entries, one per input, with the weight of
    /// each of these units. So both one row and a block of rows read them from front to back.
    weights: Vec<[f32; PANEL]>,
    /// One entry per panel. What is missing to whole panels is zero, here and in the weights.
    biases: Vec<[f32; PANEL]>,
    activation: Activation,
}

/// How many neighboring units have their weights side by side: with one row as many as are summed at once.
/// It changes the speed and not one bit, since units do not meet.
pub(crate) const PANEL: usize = 16;

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
    pub(crate) fn new(weight: &[f32], bias: &[f32], activation: Activation) -> Result<Self> {
        let n_out = bias.len();
        if n_out == 0 || weight.is_empty() || !weight.len().is_multiple_of(n_out) {
            bail!("{} weights cannot be shared by {n_out} units", weight.len());
        }
        let n_in = weight.len() / n_out;
        let n_panels = n_out.div_ceil(PANEL);
        let mut weights = vec![[0.0; PANEL]; n_panels * n_in];
        let mut biases = vec![[0.0; PANEL]; n_panels];
        for (unit, (row, bias)) in weight.chunks_exact(n_in).zip(bias).enumerate() {
            let (panel, place) = (unit / PANEL, unit % PANEL);
            biases[panel][place] = *bias;
            for (entry, weight) in weights[panel * n_in..].iter_mut().zip(row) {
                entry[place] = *weight;
            }
        }
        Ok(Self { n_in, n_out, weights, biases, activation })
    }

    /// How many inputs the layer takes.
    pub(crate) const fn n_in(&self) -> usize {
        self.n_in
    }

    /// How many units the layer has.
    pub(crate) const fn n_out(&self) -> usize {
        self.n_out
    }

    /// How many outputs [`forward`](Self::forward) needs room for: those of whole panels.
    pub(crate) const fn n_room(&self) -> usize {
        self.biases.len() * PANEL
    }

    /// The outputs `y`, one array per unit, from the inputs `x`, one array per input, each with one element
    /// per row. `UNITS` units are summed at once and `PANEL` must be a multiple of it; `ROWS × UNITS` sums
    /// should fit the registers of any CPU.
    ///
    /// Elements of `y` beyond the last unit are of no meaning.
    #[inline(always)]
    pub(crate) fn forward<const ROWS: usize, const UNITS: usize>(
        &self,
        x: &[[f32; ROWS]],
        y: &mut [[f32; ROWS]],
    ) {
        const { assert!(PANEL.is_multiple_of(UNITS)) };
        let panels = self.weights.chunks_exact(self.n_in).zip(&self.biases);
        let mut n_left = self.n_out;
        for ((weights, biases), y) in panels.zip(y.chunks_exact_mut(PANEL)) {
            let firsts = (0..n_left.min(PANEL)).step_by(UNITS);
            for (y, first) in y.as_chunks_mut().0.iter_mut().zip(firsts) {
                add_up::<ROWS, UNITS>(y, x, biases, weights, first);
                if self.activation == Activation::Relu {
                    for y in y.as_flattened_mut() {
                        *y = if *y < 0.0 { 0.0 } else { *y };
                    }
                }
            }
            n_left = n_left.saturating_sub(PANEL);
        }
    }
}

/// The sums of the units `first..first + UNITS` of a panel, for each row.
#[inline(always)]
fn add_up<const ROWS: usize, const UNITS: usize>(
    sums: &mut [[f32; ROWS]; UNITS],
    x: &[[f32; ROWS]],
    biases: &[f32; PANEL],
    weights: &[[f32; PANEL]],
    first: usize,
) {
    let units = first..first + UNITS;
    let mut running = [[0.0; ROWS]; UNITS];
    for (running, bias) in running.iter_mut().zip(&biases[units.clone()]) {
        *running = [*bias; ROWS];
    }
    for (x, weights) in x.iter().zip(weights) {
        for (running, weight) in running.iter_mut().zip(&weights[units.clone()]) {
            for (sum, x) in running.iter_mut().zip(x) {
                *sum += x * weight;
            }
        }
    }
    *sums = running;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two inputs and as many units as asked for: unit `u` computes `u + x₀ + 2u x₁`.
    fn layer(n_out: u8, activation: Activation) -> Dense {
        let units = || (0..n_out).map(f32::from);
        let weight: Vec<f32> = units().flat_map(|unit| [1.0, 2.0 * unit]).collect();
        Dense::new(&weight, &units().collect::<Vec<_>>(), activation).unwrap()
    }

    fn check<const ROWS: usize, const UNITS: usize>(x: [[f32; ROWS]; 2]) {
        for n_out in [1, 2, 15, 16, 17, 40] {
            for activation in [Activation::Identity, Activation::Relu] {
                let layer = layer(n_out, activation);
                let mut y = vec![[f32::NAN; ROWS]; layer.n_room()];
                layer.forward::<ROWS, UNITS>(&x, &mut y);
                for (unit, y) in (0..n_out).map(f32::from).zip(y) {
                    for (row, y) in y.into_iter().enumerate() {
                        let sum = unit + x[0][row] + 2.0 * unit * x[1][row];
                        let expected =
                            if activation == Activation::Relu { sum.max(0.0) } else { sum };
                        assert_eq!(y.to_bits(), expected.to_bits(), "unit {unit} of {n_out}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_unit_of_every_panel_computes_its_own_sum() {
        check::<1, PANEL>([[3.0], [-0.5]]);
        check::<1, 1>([[-7.0], [0.25]]);
        check::<4, 2>([[3.0, 1.0, -1.0, 0.0], [1.0, -2.0, 0.5, -0.25]]);
    }

    #[test]
    fn weights_that_make_no_matrix_are_refused() {
        for (n_weights, n_out) in [(0, 0), (0, 2), (3, 0), (5, 2)] {
            let layer = Dense::new(&vec![1.0; n_weights], &vec![1.0; n_out], Activation::Relu);
            assert!(layer.is_err(), "{n_weights} weights, {n_out} units");
        }
    }
}
