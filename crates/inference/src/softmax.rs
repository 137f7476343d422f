//! From scores to probabilities.

use domain::N_CLASSES;

use crate::exponential::exp;
use crate::vectors::with_widest_vectors;

/// How many rows of a batch are computed side by side.
const BLOCK: usize = 8;

/// Gives the probabilities of each row to `receive`, in turn: `exp(sᵢ) / Σ exp(sⱼ)` of its scores, all finite.
///
/// In float64, from float32 scores, with the largest score subtracted first, so that nothing overflows and
/// the sum is at least 1. The probabilities sum to 1 within 1e-12. The same scores give the same bits, alone
/// and among others, on every CPU.
pub(crate) fn softmax(scores: &[[f32; N_CLASSES]], receive: impl FnMut([f64; N_CLASSES])) {
    if scores.len() == 1 {
        in_blocks::<1>(scores, receive);
    } else {
        with_widest_vectors(
            #[inline(always)]
            || in_blocks::<BLOCK>(scores, receive),
        );
    }
}

#[inline(always)]
fn in_blocks<const ROWS: usize>(
    scores: &[[f32; N_CLASSES]],
    mut receive: impl FnMut([f64; N_CLASSES]),
) {
    for rows in scores.chunks(ROWS) {
        let mut scores = [[0.0; ROWS]; N_CLASSES];
        for (lane, row) in rows.iter().enumerate() {
            for (scores, score) in scores.iter_mut().zip(row) {
                scores[lane] = *score;
            }
        }
        let probabilities = of_block(&scores);
        for lane in 0..rows.len() {
            receive(probabilities.map(|row| row[lane]));
        }
    }
}

/// The probabilities of `ROWS` rows: for each class the numbers of all rows side by side.
#[inline(always)]
fn of_block<const ROWS: usize>(scores: &[[f32; ROWS]; N_CLASSES]) -> [[f64; ROWS]; N_CLASSES] {
    let mut largest = [f32::NEG_INFINITY; ROWS];
    for scores in scores {
        for (largest, score) in largest.iter_mut().zip(scores) {
            *largest = if *score > *largest { *score } else { *largest };
        }
    }
    let mut powers = [[0.0; ROWS]; N_CLASSES];
    let mut sums = [0.0; ROWS];
    for (powers, scores) in powers.iter_mut().zip(scores) {
        for ((power, score), largest) in powers.iter_mut().zip(scores).zip(&largest) {
            *power = f64::from(*score) - f64::from(*largest);
        }
        exp(powers);
        for (sum, power) in sums.iter_mut().zip(&*powers) {
            *sum += power;
        }
    }
    for powers in &mut powers {
        for (power, sum) in powers.iter_mut().zip(&sums) {
            *power /= sum;
        }
    }
    powers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probabilities(scores: &[[f32; N_CLASSES]]) -> Vec<[f64; N_CLASSES]> {
        let mut all = Vec::new();
        softmax(scores, |row| all.push(row));
        assert_eq!(all.len(), scores.len());
        all
    }

    #[test]
    fn probabilities_sum_to_one_however_large_the_scores() {
        let mut scores = Vec::new();
        for magnitude in [0.0, 1e-30, 1.0, 88.0, 1e10, f32::MAX] {
            for last in [-1.0, 0.0, 0.5, 1.0] {
                let mut row = [magnitude; N_CLASSES];
                row[N_CLASSES - 1] = magnitude * last;
                scores.push(row);
            }
        }
        for (scores, probabilities) in scores.iter().zip(probabilities(&scores)) {
            let sum: f64 = probabilities.iter().sum();
            assert!((sum - 1.0).abs() <= 1e-12, "{scores:?} gives {probabilities:?}");
            assert!(probabilities.iter().all(|probability| (0.0..=1.0).contains(probability)));
        }
    }

    /// One row by the book, with the exponential of `libm`.
    fn by_the_book(scores: [f32; N_CLASSES]) -> [f64; N_CLASSES] {
        let largest = scores.into_iter().fold(f32::NEG_INFINITY, f32::max);
        let powers = scores.map(|score| libm::exp(f64::from(score) - f64::from(largest)));
        let sum: f64 = powers.iter().sum();
        powers.map(|power| power / sum)
    }

    #[test]
    fn every_row_has_the_bits_of_the_formula() {
        let scores: Vec<[f32; N_CLASSES]> = (0..1_000_u16)
            .map(|row| std::array::from_fn(|class| (f32::from(row) + 3.3 * class as f32).sin()))
            .zip([1.0, 1e-6, 30.0, 400.0, 1e30].into_iter().cycle())
            .map(|(row, magnitude)| row.map(|score: f32| score * magnitude))
            .collect();
        let bits = |row: [f64; N_CLASSES]| row.map(f64::to_bits);
        for n_rows in [0, 1, 2, 7, 8, 9, 1_000] {
            let scores = &scores[..n_rows];
            let expected = scores.iter().map(|row| bits(by_the_book(*row)));
            assert!(probabilities(scores).into_iter().map(bits).eq(expected), "{n_rows} rows");
        }
    }

    #[test]
    fn the_ratio_of_two_probabilities_is_the_exponential_of_the_difference() {
        let mut scores = [0.0; N_CLASSES];
        scores[0] = 3.0_f32.ln();
        let probabilities = probabilities(&[scores])[0];
        // Rounding of ln 3 to float32: 6e-8 relative.
        assert!((probabilities[0] / probabilities[1] - 3.0).abs() < 1e-6, "{probabilities:?}");
    }
}
