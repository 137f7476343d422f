//! Everything that was chosen by hand, and where randomness comes from.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The name of the model.
pub(crate) const NAME: &str = "iris-mlp";

/// The version of the model: raised by hand when data or recipe change.
pub(crate) const VERSION: &str = "1.0.0";

/// The seed of everything random: the year of Fisher's paper.
pub(crate) const SEED: u64 = 1936;

/// Units of each hidden layer.
pub(crate) const HIDDEN: [usize; 2] = [16, 16];

/// Steps of full-batch training.
pub(crate) const N_STEPS: usize = 200;

/// The learning rate of `AdamW`.
pub(crate) const LEARNING_RATE: f64 = 0.01;

/// The weight decay of `AdamW`.
pub(crate) const WEIGHT_DECAY: f64 = 0.01;

/// Folds of the cross-validation.
pub(crate) const N_FOLDS: usize = 5;

/// The held-out part of each class is one in this many rows.
pub(crate) const HELD_OUT_ONE_IN: usize = 5;

/// What random numbers are for: each purpose has a stream of its own, so that none depends on how many
/// numbers another one drew.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// The folds of the cross-validation.
    Folds,
    /// The held-out split.
    HeldOut,
    /// The first weights; every training starts from the same ones.
    Weights,
}

/// The generator for a purpose: `ChaCha` with 8 rounds, the same on every platform. Candle's own generator
/// for the CPU cannot be seeded.
pub(crate) fn random(purpose: Purpose) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(SEED);
    generator.set_stream(purpose as u64);
    generator
}
