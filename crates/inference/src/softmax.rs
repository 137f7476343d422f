//! From scores to probabilities.

use domain::N_CLASSES;

/// The probabilities that belong to these scores: `exp(sᵢ) / Σ exp(sⱼ)`; `None` if a score is not finite.
///
/// In float64, from float32 scores, with the largest score subtracted first, so that nothing overflows and
/// the sum is at least 1. The probabilities sum to 1 within 1e-12. The exponential is a portable one and not
/// the machine's: the same scores give the same bits everywhere.
pub(crate) fn softmax(scores: [f32; N_CLASSES]) -> Option<[f64; N_CLASSES]> {
    if !scores.iter().all(|score| score.is_finite()) {
        return None;
    }
    let largest = scores.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let powers = scores.map(|score| libm::exp(f64::from(score) - f64::from(largest)));
    let sum: f64 = powers.iter().sum();
    Some(powers.map(|power| power / sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_however_large_the_scores() {
        for magnitude in [0.0, 1e-30, 1.0, 88.0, 1e10, f32::MAX] {
            for last in [-1.0, 0.0, 0.5, 1.0] {
                let mut scores = [magnitude; N_CLASSES];
                scores[N_CLASSES - 1] = magnitude * last;
                let probabilities = softmax(scores).unwrap();
                let sum: f64 = probabilities.iter().sum();
                assert!((sum - 1.0).abs() <= 1e-12, "{scores:?} gives {probabilities:?}");
                assert!(probabilities.iter().all(|probability| (0.0..=1.0).contains(probability)));
            }
        }
    }

    #[test]
    fn the_ratio_of_two_probabilities_is_the_exponential_of_the_difference() {
        let mut scores = [0.0; N_CLASSES];
        scores[0] = 3.0_f32.ln();
        let probabilities = softmax(scores).unwrap();
        // Rounding of ln 3 to float32: 6e-8 relative.
        assert!((probabilities[0] / probabilities[1] - 3.0).abs() < 1e-6, "{probabilities:?}");
    }

    #[test]
    fn scores_that_are_not_finite_have_no_probabilities() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in 0..N_CLASSES {
                let mut scores = [1.0; N_CLASSES];
                scores[place] = wrong;
                assert_eq!(softmax(scores), None);
            }
        }
    }
}
