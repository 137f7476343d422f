//! What a prediction costs, alone and in batches, and what others pay for the same: `cargo bench -p inference`.

#![expect(clippy::unwrap_used, reason = "a benchmark without a model has nothing to measure")]

mod handwritten;
mod plain_candle;

use divan::Bencher;
use divan::counter::ItemsCount;
use domain::{Measurements, N_FEATURES};
use inference::Model;

use crate::handwritten::Handwritten;
use crate::plain_candle::PlainCandle;

const FILE: &[u8] = include_bytes!("../../../../weights/iris-mlp.safetensors");
const GOLDEN: &str = include_str!("../../../../weights/golden.json");

fn main() {
    check_that_all_compute_the_same();
    divan::main();
}

/// The flowers of the data, over and over.
fn flowers(n_rows: usize) -> Vec<Measurements> {
    #[derive(serde::Deserialize)]
    struct Golden {
        input: [f64; N_FEATURES],
    }
    let golden: Vec<Golden> = serde_json::from_str(GOLDEN).unwrap();
    golden.iter().cycle().take(n_rows).map(|row| Measurements::from_row(row.input)).collect()
}

fn check_that_all_compute_the_same() {
    let rows = flowers(150);
    let model = Model::embedded().unwrap();
    let (by_hand, candle) = (Handwritten::new(&model), PlainCandle::new(&model));
    let ours = model.predict_batch(&rows).unwrap();
    let theirs = candle.predict_batch(&rows).unwrap();
    for ((ours, theirs), row) in ours.into_iter().zip(theirs).zip(&rows) {
        for other in [theirs, by_hand.predict(row)] {
            assert_eq!(ours.class, other.class);
            for (ours, other) in ours.probabilities.into_iter().zip(other.probabilities) {
                assert!((ours - other).abs() < 2e-6);
            }
        }
    }
}

#[divan::bench(sample_size = 100)]
fn one_row(bencher: Bencher<'_, '_>) {
    let (model, flower) = (Model::embedded().unwrap(), flowers(1)[0]);
    bencher.bench(|| model.predict(divan::black_box(&flower)));
}

#[divan::bench(sample_size = 100)]
fn one_row_by_hand(bencher: Bencher<'_, '_>) {
    let (network, flower) = (Handwritten::new(&Model::embedded().unwrap()), flowers(1)[0]);
    bencher.bench(|| divan::black_box(&network).predict(divan::black_box(&flower)));
}

#[divan::bench(args = [1, 8, 32, 256, 1024, 10_000])]
fn batch(bencher: Bencher<'_, '_>, n_rows: usize) {
    let (model, rows) = (Model::embedded().unwrap(), flowers(n_rows));
    bencher.counter(ItemsCount::new(n_rows)).bench(|| model.predict_batch(divan::black_box(&rows)));
}

#[divan::bench(args = [1, 32, 256, 1024, 10_000])]
fn batch_by_plain_candle(bencher: Bencher<'_, '_>, n_rows: usize) {
    let (network, rows) = (PlainCandle::new(&Model::embedded().unwrap()), flowers(n_rows));
    bencher
        .counter(ItemsCount::new(n_rows))
        .bench(|| network.predict_batch(divan::black_box(&rows)));
}
