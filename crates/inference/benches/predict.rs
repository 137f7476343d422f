//! What a prediction costs, alone and in batches: `cargo bench -p inference`.

#![expect(clippy::expect_used, reason = "a benchmark without a model has nothing to measure")]

use divan::Bencher;
use divan::counter::ItemsCount;
use domain::Measurements;
use inference::Model;

const FLOWER: Measurements =
    Measurements { sepal_width: 2.9, sepal_length: 6.1, petal_width: 1.6, petal_length: 4.9 };

fn main() {
    divan::main();
}

#[divan::bench]
fn one_row(bencher: Bencher<'_, '_>) {
    let model = Model::embedded().expect("the embedded model fits");
    bencher.bench(|| model.predict(divan::black_box(&FLOWER)));
}

#[divan::bench(args = [1, 32, 256, 1024])]
fn batch(bencher: Bencher<'_, '_>, n_rows: usize) {
    let model = Model::embedded().expect("the embedded model fits");
    let rows = vec![FLOWER; n_rows];
    bencher.counter(ItemsCount::new(n_rows)).bench(|| model.predict_batch(divan::black_box(&rows)));
}
