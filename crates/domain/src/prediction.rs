//! The output: a class and the probability of each.

use serde::{Deserialize, Serialize};

use crate::{Class, N_CLASSES};

/// What the model says of one row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The class with the largest probability; the first of them in a tie.
    pub class: Class,
    /// The probability of each class, in the order of [`Class::ALL`]: 0 to 1, summing to 1 within rounding.
    pub probabilities: [f64; N_CLASSES],
}

impl Prediction {
    /// The prediction that follows from these probabilities, in the order of [`Class::ALL`].
    #[must_use]
    #[inline]
    pub fn from_probabilities(probabilities: [f64; N_CLASSES]) -> Self {
        let mut class = Class::ALL[0];
        for candidate in Class::ALL {
            if probabilities[candidate.index()] > probabilities[class.index()] {
                class = candidate;
            }
        }
        Self { class, probabilities }
    }

    /// The largest probability: that of the class.
    #[must_use]
    pub const fn confidence(&self) -> f64 {
        self.probabilities[self.class.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_the_most_probable_one() {
        for class in Class::ALL {
            let mut probabilities = [0.2; N_CLASSES];
            probabilities[class.index()] = 0.6;
            let prediction = Prediction::from_probabilities(probabilities);
            assert_eq!(prediction.class, class);
            assert_eq!(prediction.confidence().to_bits(), 0.6_f64.to_bits());
        }
    }

    #[test]
    fn a_tie_goes_to_the_first_class() {
        assert_eq!(Prediction::from_probabilities([0.2, 0.4, 0.4]).class, Class::ALL[1]);
    }
}
