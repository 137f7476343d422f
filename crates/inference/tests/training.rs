//! Training again gives the committed model: the same bytes twice, and the same answers as the file.

#[path = "../examples/train/artifacts.rs"]
mod artifacts;
#[path = "../examples/train/classifier.rs"]
mod classifier;
#[path = "../examples/train/dataset.rs"]
mod dataset;
#[path = "../examples/train/evaluation.rs"]
mod evaluation;
#[path = "../examples/train/model_card.rs"]
mod model_card;
#[path = "../examples/train/recipe.rs"]
mod recipe;
#[path = "../examples/train/split.rs"]
mod split;

use domain::Measurements;
use inference::Model;

const CSV: &[u8] = include_bytes!("../../../weights/iris.csv");
const FILE: &[u8] = include_bytes!("../../../weights/iris-mlp.safetensors");
const CARD: &str = include_str!("../../../weights/README.md");

/// How far a retrained model's probabilities may be from the committed one's: another CPU rounds otherwise.
const TOLERANCE: f64 = 1e-4;

#[test]
fn training_is_reproducible() {
    let first = artifacts::train(CSV).unwrap();
    let second = artifacts::train(CSV).unwrap();
    assert!(first == second, "two trainings in one run differ");

    let retrained = Model::from_bytes(&first.model).unwrap();
    let committed = Model::embedded().unwrap();
    assert!(retrained.manifest().metrics.cross_validation_accuracy >= 0.95);

    let rows = dataset::Dataset::parse(CSV).unwrap().rows.into_iter().map(Measurements::from_row);
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 150);
    let retrained = retrained.predict_batch(&rows).unwrap();
    for (retrained, committed) in retrained.iter().zip(committed.predict_batch(&rows).unwrap()) {
        assert_eq!(retrained.class, committed.class);
        for (ours, theirs) in retrained.probabilities.iter().zip(committed.probabilities) {
            assert!((ours - theirs).abs() <= TOLERANCE, "{ours} is not {theirs}");
        }
    }
}

#[test]
fn the_committed_files_belong_together() {
    assert!(CARD.contains(&dataset::sha256(FILE)), "the card is not about this model file");
    let manifest = Model::embedded().unwrap().manifest().clone();
    assert_eq!(manifest.data_sha256, dataset::sha256(CSV));
    assert_eq!((manifest.version.as_str(), manifest.seed), (recipe::VERSION, recipe::SEED));
}

#[test]
fn no_row_is_in_both_parts_of_a_split_and_every_row_is_tested_once() {
    let classes = dataset::Dataset::parse(CSV).unwrap().classes;
    let splits = split::stratified(&classes, recipe::N_FOLDS, recipe::Purpose::Folds);
    let mut tested: Vec<usize> = Vec::new();
    for split::Split { training, test } in splits {
        assert!(test.iter().all(|row| !training.contains(row)));
        assert_eq!((training.len(), test.len()), (120, 30));
        tested.extend(test);
    }
    tested.sort_unstable();
    assert!(tested.into_iter().eq(0..150));
}
