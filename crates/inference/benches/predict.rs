//! What a prediction costs, alone and in batches: `cargo bench -p inference`.

#![expect(clippy::expect_used, reason = "a benchmark without a model has nothing to measure")]

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{Linear, VarBuilder, linear};
use divan::Bencher;
use divan::counter::ItemsCount;
use domain::{Measurements, N_CLASSES, N_FEATURES};
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

/// The same layers as candle's users write them, without standardization and softmax, for comparison.
#[divan::bench(args = [1, 32, 256, 1024])]
fn plain_candle(bencher: Bencher<'_, '_>, n_rows: usize) {
    let zeros = VarBuilder::zeros(DType::F32, &Device::Cpu);
    let sizes = [(N_FEATURES, 16), (16, 16), (16, N_CLASSES)];
    let layer = |(n_in, n_out): (usize, usize)| {
        linear(n_in, n_out, zeros.pp(n_out)).expect("zeros have any shape")
    };
    let layers: [Linear; 3] = sizes.map(layer);
    let rows = vec![1.0_f32; n_rows * N_FEATURES];
    bencher.counter(ItemsCount::new(n_rows)).bench(|| {
        let x = Tensor::from_slice(&rows, (n_rows, N_FEATURES), &Device::Cpu)?;
        let x = layers[0].forward(&x)?.relu()?;
        let x = layers[1].forward(&x)?.relu()?;
        layers[2].forward(&x)?.to_vec2::<f32>()
    });
}
