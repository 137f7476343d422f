//! The network in candle's own terms, its training and its plain forward pass.

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, loss, ops};
use domain::{Class, N_CLASSES, N_FEATURES};
use rand_chacha::rand_core::RngCore;

use crate::dataset::Dataset;
use crate::recipe::{HIDDEN, LEARNING_RATE, N_STEPS, Purpose, WEIGHT_DECAY, random};

/// A trained network and the standardization that belongs to it.
pub(crate) struct Classifier {
    /// The mean of each feature over the training rows.
    pub(crate) means: [f64; N_FEATURES],
    /// The standard deviation (of the population) of each feature over the training rows.
    pub(crate) scales: [f64; N_FEATURES],
    /// Weights `(n_out, n_in)` and biases `(n_out,)`, float32.
    pub(crate) layers: Vec<Linear>,
}

/// The number of features, of units in each hidden layer, and of classes.
pub(crate) fn layer_sizes() -> Vec<usize> {
    [&[N_FEATURES], &HIDDEN[..], &[N_CLASSES]].concat()
}

impl Classifier {
    /// Trains on the given rows of the data and on nothing else: the standardization is fitted to them too.
    ///
    /// Full-batch `AdamW` on the cross-entropy. In float64, so that the different rounding of another CPU
    /// (candle's product of matrices depends on it) is lost when the result is rounded to float32: changing
    /// the first weights by 1e-12 of their size leaves every byte of the file as it is (measured).
    pub(crate) fn train(dataset: &Dataset, training: &[usize]) -> anyhow::Result<Self> {
        let rows: Vec<_> = training.iter().map(|row| dataset.rows[*row]).collect();
        let (means, scales) = fit_standardization(&rows);
        let x = standardize(&rows, &means, &scales)?;
        let classes = training.iter().map(|row| dataset.classes[*row].index() as u32);
        let classes = Tensor::from_iter(classes, &Device::Cpu)?;

        let variables = first_weights()?;
        let network: Vec<_> = variables
            .iter()
            .map(|(weight, bias)| {
                Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()))
            })
            .collect();
        let parameters =
            ParamsAdamW { lr: LEARNING_RATE, weight_decay: WEIGHT_DECAY, ..Default::default() };
        let all =
            variables.iter().flat_map(|(weight, bias)| [weight.clone(), bias.clone()]).collect();
        let mut optimizer = AdamW::new(all, parameters)?;
        for _ in 0..N_STEPS {
            optimizer.backward_step(&loss::cross_entropy(&scores(&network, &x)?, &classes)?)?;
        }

        let layers = variables.iter().map(|(weight, bias)| {
            let float32 = |var: &Var| var.as_detached_tensor().to_dtype(DType::F32);
            Ok(Linear::new(float32(weight)?, Some(float32(bias)?)))
        });
        Ok(Self { means, scales, layers: layers.collect::<candle_core::Result<_>>()? })
    }

    /// The probabilities of each class, by candle's plain forward pass in float32 and its softmax in float64.
    pub(crate) fn probabilities(
        &self,
        rows: &[[f64; N_FEATURES]],
    ) -> anyhow::Result<Vec<[f64; N_CLASSES]>> {
        let x = standardize(rows, &self.means, &self.scales)?.to_dtype(DType::F32)?;
        let scores = scores(&self.layers, &x)?.to_dtype(DType::F64)?;
        let probabilities = ops::softmax(&scores, 1)?.flatten_all()?.to_vec1::<f64>()?;
        Ok(probabilities.as_chunks().0.to_vec())
    }

    /// The most probable class of each row.
    pub(crate) fn classes(&self, rows: &[[f64; N_FEATURES]]) -> anyhow::Result<Vec<Class>> {
        let probabilities = self.probabilities(rows)?.into_iter();
        Ok(probabilities.map(|row| domain::Prediction::from_probabilities(row).class).collect())
    }
}

/// Candle's plain forward pass: `Linear` and `relu`.
fn scores(layers: &[Linear], x: &Tensor) -> candle_core::Result<Tensor> {
    let mut x = x.clone();
    for (i, layer) in layers.iter().enumerate() {
        x = layer.forward(&x)?;
        if i + 1 < layers.len() {
            x = x.relu()?;
        }
    }
    Ok(x)
}

/// Weights and biases of each layer, uniform in ±`1/√n_in` (the default of `PyTorch`).
fn first_weights() -> candle_core::Result<Vec<(Var, Var)>> {
    let mut generator = random(Purpose::Weights);
    let mut uniform = |n: usize, bound: f64| -> Vec<f64> {
        // The upper 53 bits as a fraction in [0, 1): every one of them is a float64.
        let fraction = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
        (0..n).map(|_| bound * (2.0 * fraction(generator.next_u64()) - 1.0)).collect()
    };
    let sizes = layer_sizes();
    let pairs = sizes.iter().zip(&sizes[1..]);
    pairs
        .map(|(&n_in, &n_out)| {
            let bound = 1.0 / (n_in as f64).sqrt();
            let weight = Var::from_vec(uniform(n_in * n_out, bound), (n_out, n_in), &Device::Cpu)?;
            let bias = Var::from_vec(uniform(n_out, bound), n_out, &Device::Cpu)?;
            Ok((weight, bias))
        })
        .collect()
}

/// The mean and the standard deviation of each feature.
fn fit_standardization(rows: &[[f64; N_FEATURES]]) -> ([f64; N_FEATURES], [f64; N_FEATURES]) {
    let (mut means, mut scales) = ([0.0; N_FEATURES], [0.0; N_FEATURES]);
    let n = rows.len() as f64;
    for i in 0..N_FEATURES {
        means[i] = rows.iter().map(|row| row[i]).sum::<f64>() / n;
        let variance = rows.iter().map(|row| (row[i] - means[i]).powi(2)).sum::<f64>() / n;
        scales[i] = variance.sqrt();
    }
    (means, scales)
}

/// `(x - mean) / scale`, shape `(rows, N_FEATURES)`, float64.
fn standardize(
    rows: &[[f64; N_FEATURES]],
    means: &[f64; N_FEATURES],
    scales: &[f64; N_FEATURES],
) -> candle_core::Result<Tensor> {
    let standardized: Vec<f64> = rows
        .iter()
        .flat_map(|row| (0..N_FEATURES).map(|i| (row[i] - means[i]) / scales[i]))
        .collect();
    Tensor::from_vec(standardized, (rows.len(), N_FEATURES), &Device::Cpu)
}
