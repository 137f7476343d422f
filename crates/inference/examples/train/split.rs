//! Splitting rows so that each part has its share of every class.

use domain::Class;
use rand::seq::SliceRandom;

use crate::recipe::{Purpose, random};

/// Rows to train on and rows to judge by, as numbers of rows in ascending order.
pub(crate) struct Split {
    /// The rows to train on.
    pub(crate) training: Vec<usize>,
    /// The rows to judge by.
    pub(crate) test: Vec<usize>,
}

/// Deals the rows of each class, shuffled, to `n_parts` parts in turn; each part is the test once.
pub(crate) fn stratified(classes: &[Class], n_parts: usize, purpose: Purpose) -> Vec<Split> {
    let mut generator = random(purpose);
    let mut part_of = vec![0; classes.len()];
    for class in Class::ALL {
        let mut rows: Vec<usize> =
            (0..classes.len()).filter(|row| classes[*row] == class).collect();
        rows.shuffle(&mut generator);
        for (place, row) in rows.into_iter().enumerate() {
            part_of[row] = place % n_parts;
        }
    }
    (0..n_parts)
        .map(|part| {
            let (test, training) = (0..classes.len()).partition(|row| part_of[*row] == part);
            Split { training, test }
        })
        .collect()
}
