//! Whatever a model file holds, it is refused or it predicts: probabilities that sum to 1, the same alone and in a batch.

#![no_main]

use domain::{FEATURES, Measurements, N_FEATURES, Prediction};
use inference::{Error, Model};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target, fuzzer_mutate};

/// The length of the header stands before it, in so many bytes.
const LENGTH: usize = 8;

/// One row more than fit into two blocks of the network, so that the last one is not full.
const ROWS: usize = 33;

fuzz_target!(|file: &[u8]| -> Corpus {
    let Ok(model) = Model::from_bytes(file) else { return Corpus::Keep };
    let rows: Vec<_> = (0..ROWS).map(row).collect();
    let alone: Vec<_> = rows.iter().map(|row| checked(model.predict(row))).collect();
    match checked(model.predict_batch(&rows)) {
        Some(batch) => assert!(batch.iter().map(bits).eq(alone.iter().flatten().map(bits))),
        None => assert!(alone.iter().any(Option::is_none), "a batch fails only if a row does"),
    }
    assert!(!model.version().is_empty() && model.version().len() < 80);
    alone.iter().flatten().for_each(check_prediction);
    Corpus::Keep
});

/// The prediction; nothing if the network cannot take this row, or its scores overflow.
fn checked<T>(predicted: Result<T, Error>) -> Option<T> {
    match predicted {
        Ok(predictions) => Some(predictions),
        Err(Error::Input { .. } | Error::Output { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Rows that differ in every feature, from its minimum to its maximum.
fn row(n: usize) -> Measurements {
    let mut row = [0.0; N_FEATURES];
    for (i, (value, feature)) in row.iter_mut().zip(FEATURES).enumerate() {
        let share = ((n * (2 * i + 1)) % ROWS) as f64 / (ROWS - 1) as f64;
        *value = feature.minimum + share * (feature.maximum - feature.minimum);
    }
    Measurements::from_row(row)
}

fn bits(prediction: &Prediction) -> impl PartialEq + use<> {
    (prediction.class, prediction.probabilities.map(f64::to_bits))
}

fn check_prediction(prediction: &Prediction) {
    let probabilities = prediction.probabilities;
    assert!(probabilities.iter().all(|it| (0.0..=1.0).contains(it)), "{prediction:?}");
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() <= 1e-12, "{prediction:?}");
    assert!(probabilities.iter().all(|it| *it <= prediction.confidence()), "{prediction:?}");
}

// Header and tensors are changed apart, and the length is put right: otherwise most inputs end at the length.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let Some((length, rest)) = data[..size].split_first_chunk::<LENGTH>() else {
        return fuzzer_mutate(data, size, max_size);
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > rest.len() || seed.is_multiple_of(8) {
        return fuzzer_mutate(data, size, max_size);
    }
    let (header, tensors) = rest.split_at(length);
    let (mut header, mut tensors) = (header.to_vec(), tensors.to_vec());
    let spare = max_size - size;
    let part = if seed.is_multiple_of(3) { &mut tensors } else { &mut header };
    let before = part.len();
    part.resize(before + spare, 0);
    let after = fuzzer_mutate(part, before, before + spare);
    part.truncate(after);

    let whole = [&(header.len() as u64).to_le_bytes()[..], &header, &tensors].concat();
    data[..whole.len()].copy_from_slice(&whole);
    whole.len()
});
