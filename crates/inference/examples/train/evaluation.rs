//! How well the recipe does on rows that it has not seen.

use domain::{Class, N_CLASSES};

use crate::classifier::Classifier;
use crate::dataset::Dataset;
use crate::recipe::{HELD_OUT_ONE_IN, N_FOLDS, Purpose};
use crate::split::{Split, stratified};

/// How the recipe did, as counts.
pub(crate) struct Evaluation {
    /// Each fold of the cross-validation.
    pub(crate) folds: Vec<Confusion>,
    /// All folds together: every row once, judged by a model that had not seen it.
    pub(crate) cross_validation: Confusion,
    /// The held-out part of one split.
    pub(crate) held_out: Confusion,
    /// The shipped model on the rows it was trained on.
    pub(crate) training: Confusion,
}

/// How often each class was taken for each: the true class chooses the row, the predicted one the column.
#[derive(Default, Clone)]
pub(crate) struct Confusion(pub(crate) [[usize; N_CLASSES]; N_CLASSES]);

impl Confusion {
    fn count(&mut self, truth: Class, predicted: Class) {
        self.0[truth.index()][predicted.index()] += 1;
    }

    /// How many rows were judged.
    pub(crate) fn n_rows(&self) -> usize {
        self.0.as_flattened().iter().sum()
    }

    /// The share of rows whose class was predicted.
    pub(crate) fn accuracy(&self) -> f64 {
        let correct: usize = (0..N_CLASSES).map(|class| self.0[class][class]).sum();
        correct as f64 / self.n_rows() as f64
    }

    /// Both together.
    fn plus(mut self, other: &Self) -> Self {
        for (count, more) in self.0.as_flattened_mut().iter_mut().zip(other.0.as_flattened()) {
            *count += more;
        }
        self
    }
}

/// What a classifier makes of these rows.
pub(crate) fn judge(
    classifier: &Classifier,
    dataset: &Dataset,
    rows: &[usize],
) -> anyhow::Result<Confusion> {
    let measurements: Vec<_> = rows.iter().map(|row| dataset.rows[*row]).collect();
    let mut confusion = Confusion::default();
    for (row, predicted) in rows.iter().zip(classifier.classes(&measurements)?) {
        confusion.count(dataset.classes[*row], predicted);
    }
    Ok(confusion)
}

/// The confusion of each fold of a stratified cross-validation, and of all folds together.
pub(crate) fn cross_validate(dataset: &Dataset) -> anyhow::Result<(Vec<Confusion>, Confusion)> {
    let splits = stratified(&dataset.classes, N_FOLDS, Purpose::Folds);
    let folds = splits
        .iter()
        .map(|Split { training, test }| {
            judge(&Classifier::train(dataset, training)?, dataset, test)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let together = folds.iter().fold(Confusion::default(), Confusion::plus);
    Ok((folds, together))
}

/// The confusion on the held-out part of one stratified split.
pub(crate) fn hold_out(dataset: &Dataset) -> anyhow::Result<Confusion> {
    let mut splits = stratified(&dataset.classes, HELD_OUT_ONE_IN, Purpose::HeldOut);
    let Split { training, test } = splits.swap_remove(0);
    judge(&Classifier::train(dataset, &training)?, dataset, &test)
}
