//! What the library's calls cost, in nanoseconds per row, beside the same arithmetic in a loop of our own.

use std::hint::black_box;
use std::io::{self, Write};

use anyhow::ensure;
use benchmarks::{Case, HandWritten, PlainCandle, WEIGHTS, measure};
use domain::{Measurements, N_FEATURES};
use inference::Model;
use serde_json::json;

const ROUNDS: usize = 31;
/// So many different flowers, a power of two: no branch is learned by heart.
const FLOWERS: usize = 1_024;
/// The exponential is another one, so the last bits may differ.
const TOLERANCE: f64 = 1e-14;

fn main() -> anyhow::Result<()> {
    let model = Model::embedded()?;
    let hand_written = HandWritten::new(WEIGHTS, model.manifest())?;
    let candle = PlainCandle::new(&model.manifest().layers)?;
    let flowers: Vec<_> = (0..10_000).map(flower).collect();
    compare(&model, &hand_written, &flowers)?;

    let (mut i, mut j) = (0, 0);
    let mut cases = vec![
        Case {
            name: "one_row",
            rows: 1,
            call: Box::new(|| {
                i = (i + 1) % FLOWERS;
                let _ = black_box(model.predict(black_box(&flowers[i])));
            }),
        },
        Case {
            name: "hand_written",
            rows: 1,
            call: Box::new(|| {
                j = (j + 1) % FLOWERS;
                black_box(hand_written.predict(black_box(&flowers[j])));
            }),
        },
        Case {
            name: "plain_candle",
            rows: 1,
            call: Box::new(|| {
                let _ = black_box(candle.scores(black_box(&[1.0; N_FEATURES])));
            }),
        },
    ];
    for (name, rows) in [("256", 256), ("1024", 1_024), ("10000", 10_000)] {
        let batch = &flowers[..rows];
        let call = || {
            let _ = black_box(model.predict_batch(black_box(batch)));
        };
        cases.push(Case { name, rows, call: Box::new(call) });
    }

    let times = measure(&mut cases, ROUNDS);
    let (mut report, mut batches) = (json!({}), json!({}));
    for (case, nanoseconds) in cases.iter().zip(times) {
        let place = if case.rows == 1 { &mut report } else { &mut batches };
        place[case.name] = json!(nanoseconds);
    }
    report["batch"] = batches;
    Ok(writeln!(io::stdout(), "{report}")?)
}

/// A flower somewhere in the training range, another for each number.
fn flower(number: u32) -> Measurements {
    let part = |step: f64| (f64::from(number) * step).fract();
    Measurements {
        sepal_width: 2.0 + 2.4 * part(0.618_034),
        sepal_length: 4.3 + 3.6 * part(0.754_878),
        petal_width: 0.1 + 2.4 * part(0.569_840),
        petal_length: 1.0 + 5.9 * part(0.819_173),
    }
}

/// Only the same answer can be compared by its price.
fn compare(model: &Model, own: &HandWritten, flowers: &[Measurements]) -> anyhow::Result<()> {
    for flower in flowers {
        let (theirs, ours) = (model.predict(flower)?, own.predict(flower));
        let pairs = theirs.probabilities.iter().zip(ours.probabilities);
        let near = pairs.into_iter().all(|(a, b)| (a - b).abs() <= TOLERANCE);
        ensure!(near && theirs.class == ours.class, "{flower:?}: {theirs:?} is not {ours:?}");
    }
    Ok(())
}
