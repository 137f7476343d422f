//! What the model says: the same as the training framework, and the same bits in every batch.

#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use domain::{Class, FEATURES, Measurements, N_CLASSES, N_FEATURES, Prediction};
use inference::Model;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Deserialize;
use sha2::{Digest, Sha256};

const FILE: &[u8] = include_bytes!("../../../weights/iris-mlp.safetensors");
const GOLDEN: &str = include_str!("../../../weights/golden.json");

/// How far our probabilities may be from those of candle's plain forward pass. Both sum up to 16 float32
/// products per unit, in another order: a score of up to 32 is off by a few of its ulps (2e-6), and a
/// probability by at most a quarter of that for each of two scores.
const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
struct Golden {
    input: [f64; N_FEATURES],
    class: i32,
    probabilities: [f64; N_CLASSES],
}

fn golden() -> Vec<Golden> {
    serde_json::from_str(GOLDEN).unwrap()
}

fn bits(prediction: &Prediction) -> [u64; N_CLASSES] {
    prediction.probabilities.map(f64::to_bits)
}

/// The 150 rows of the data and random ones, in turn.
fn mixed_rows(n: usize) -> Vec<Measurements> {
    let golden = golden();
    let mut generator = ChaCha8Rng::seed_from_u64(8);
    (0..n)
        .map(|i| {
            let largest = if i % 4 == 1 { 8.0 } else { 100.0 };
            Measurements::from_row(match i % 2 {
                0 => golden[i / 2 % golden.len()].input,
                _ => [(); N_FEATURES].map(|()| generator.random_range(0.0..=largest)),
            })
        })
        .collect()
}

#[test]
fn every_row_of_the_data_is_predicted_as_by_the_training_framework() {
    let model = Model::embedded().unwrap();
    assert_eq!(golden().len(), 150);
    for Golden { input, class, probabilities } in golden() {
        let prediction = model.predict(&Measurements::from_row(input)).unwrap();
        assert_eq!(prediction.class.number(), class, "{input:?}");
        for (ours, theirs) in prediction.probabilities.into_iter().zip(probabilities) {
            assert!((ours - theirs).abs() <= TOLERANCE, "{input:?}: {ours} is not {theirs}");
        }
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_in_every_batch_size() {
    const LARGEST: usize = 1024;
    let model = Model::embedded().unwrap();
    let rows = mixed_rows(5 * LARGEST);
    let alone: Vec<_> = rows.iter().map(|row| bits(&model.predict(row).unwrap())).collect();
    for size in (1..=LARGEST).chain([LARGEST + 1, 2 * LARGEST + 17]) {
        // Another start for each size, so that a row stands at another place in each batch.
        let batch = size..2 * size;
        let predictions = model.predict_batch(&rows[batch.clone()]).unwrap();
        assert!(predictions.iter().map(bits).eq(alone[batch].iter().copied()), "{size} rows");
    }
}

/// What is on the record can be replayed, by later versions and on other CPUs: they have to give these bits.
#[test]
fn predictions_keep_their_bits() {
    let tenths =
        |i: u32| Measurements::from_row([7, 11, 13, 17].map(|n| f64::from(i * n % 1_001) / 10.0));
    let rows: Vec<_> = (0..20_000).map(tenths).collect();
    let mut hash = Sha256::new();
    for prediction in Model::embedded().unwrap().predict_batch(&rows).unwrap() {
        hash.update([prediction.class.index() as u8]);
        hash.update(bits(&prediction).map(u64::to_le_bytes).as_flattened());
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "fc0edf4cb79c98e54d83a92332aeb910e10b9c453751721d40d3027bedb14ad5");
}

#[test]
fn probabilities_sum_to_one_for_every_admissible_row() {
    let model = Model::embedded().unwrap();
    let mut rows = mixed_rows(10_000);
    let extremes = FEATURES.map(|feature| [feature.minimum, feature.maximum]);
    rows.extend((0..1 << N_FEATURES).map(|corner: usize| {
        let mut row = [0.0; N_FEATURES];
        for (i, value) in row.iter_mut().enumerate() {
            *value = extremes[i][corner >> i & 1];
        }
        Measurements::from_row(row)
    }));
    for prediction in model.predict_batch(&rows).unwrap() {
        let sum: f64 = prediction.probabilities.iter().sum();
        assert!((sum - 1.0).abs() <= 1e-12, "{prediction:?}");
    }
}

#[test]
fn an_empty_batch_has_no_predictions() {
    assert_eq!(Model::embedded().unwrap().predict_batch(&[]).unwrap(), []);
}

#[test]
fn a_row_that_is_not_finite_is_refused_by_its_number() {
    let model = Model::embedded().unwrap();
    let ordinary = Measurements::from_row(golden()[0].input);
    for wrong in [f64::NAN, f64::INFINITY, 1e300] {
        let mut row = ordinary.to_row();
        row[1] = wrong;
        let rows = [ordinary, Measurements::from_row(row)];
        let error = model.predict_batch(&rows).unwrap_err().to_string();
        assert_eq!(error, format!("{} of row 1 is not finite once standardized", FEATURES[1].name));

        let rows = [vec![ordinary; 3_000], rows.to_vec()].concat();
        let error = model.predict_batch(&rows).unwrap_err().to_string();
        assert!(error.contains("row 3001 is"), "{error}");
    }
}

#[test]
fn the_model_knows_its_version_and_its_training_ranges() {
    let model = Model::embedded().unwrap();
    let hash: String = Sha256::digest(FILE).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(model.version(), format!("{}+{}", model.manifest().version, &hash[..8]));
    assert_eq!(model.training_ranges(), &[2.0..=4.4, 4.3..=7.9, 0.1..=2.5, 1.0..=6.9]);
    assert_eq!(model.manifest().classes, Class::ALL.map(Class::name));
}

#[test]
fn a_file_and_its_bytes_are_the_same_model() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../weights/iris-mlp.safetensors");
    let model = Model::from_file(path).unwrap();
    assert_eq!(model.version(), Model::embedded().unwrap().version());

    let error = Model::from_file("no/such/file").unwrap_err();
    assert_eq!(error.to_string(), "cannot read the model file no/such/file");
    assert!(std::error::Error::source(&error).is_some());
}
