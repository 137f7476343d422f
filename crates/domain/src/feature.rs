//! The features: what the model is told about one flower.

/// How many features there are.
pub const N_FEATURES: usize = FEATURES.len();

/// The features, in the order of [`Measurements::to_row`](crate::Measurements::to_row), of the model's
/// inputs, of the JSON fields and of the columns.
pub const FEATURES: [Feature; 4] = [
    Feature::in_centimeters("sepal_width"),
    Feature::in_centimeters("sepal_length"),
    Feature::in_centimeters("petal_width"),
    Feature::in_centimeters("petal_length"),
];

/// One feature: its name and the values it may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// The name, in JSON, as a column and in the model's manifest.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: &'static str,
    /// The smallest value accepted, itself included.
    pub minimum: f64,
    /// The largest value accepted, itself included.
    pub maximum: f64,
}

impl Feature {
    /// Zero is accepted because the tutorial's own example sends it; 100 cm is far beyond any flower.
    const fn in_centimeters(name: &'static str) -> Self {
        Self { name, unit: "cm", minimum: 0.0, maximum: 100.0 }
    }

    /// Whether a measurement may have this value. NaN and the infinities may not.
    #[must_use]
    pub fn admits(&self, value: f64) -> bool {
        (self.minimum..=self.maximum).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_only_finite_numbers_pass() {
        let feature = FEATURES[0];
        for value in [0.0, -0.0, 5e-324, 100.0] {
            assert!(feature.admits(value), "{value}");
        }
        for value in [-5e-324, 100.000_000_000_000_02, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!feature.admits(value), "{value}");
        }
    }
}
