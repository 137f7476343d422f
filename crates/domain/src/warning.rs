//! What is accepted but looks suspicious.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::{FEATURES, Measurements, N_FEATURES};

/// One suspicion about one row. It never changes the prediction and never refuses the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What kind of suspicion it is.
    pub code: WarningCode,
    /// The feature it is about; `None` when it is about the row as a whole.
    pub field: Option<&'static str>,
    /// A sentence for people.
    pub message: String,
}

/// The kinds of suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// A value lies outside the range that the model was trained on.
    OutOfRange,
    /// Two columns look swapped.
    Swapped,
}

impl WarningCode {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::OutOfRange, Self::Swapped];

    /// The kinds of the warnings [about](Warning::about) a row, one for each of them, in their order.
    pub fn about<'a>(
        measurements: &'a Measurements,
        training: &'a [RangeInclusive<f64>; N_FEATURES],
    ) -> impl Iterator<Item = Self> + 'a {
        let row = measurements.to_row().into_iter().zip(training);
        let out_of_range = row.filter(|(value, range)| !range.contains(value));
        let swapped = measurements.look_swapped().then_some(Self::Swapped);
        out_of_range.map(|_| Self::OutOfRange).chain(swapped)
    }

    /// The name under which programs know it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfRange => "out_of_range",
            Self::Swapped => "swapped",
        }
    }
}

impl Warning {
    /// Everything suspicious about a row, given the training range of each feature in the order of
    /// [`FEATURES`].
    #[must_use]
    pub fn about(
        measurements: &Measurements,
        training: &[RangeInclusive<f64>; N_FEATURES],
    ) -> Vec<Self> {
        let mut warnings = Vec::new();
        for ((feature, range), value) in FEATURES.iter().zip(training).zip(measurements.to_row()) {
            if !range.contains(&value) {
                warnings.push(Self {
                    code: WarningCode::OutOfRange,
                    field: Some(feature.name),
                    message: format!(
                        "outside the training range of {} to {} {}",
                        range.start(),
                        range.end(),
                        feature.unit
                    ),
                });
            }
        }
        if measurements.look_swapped() {
            warnings.push(Self {
                code: WarningCode::Swapped,
                field: None,
                message: "both widths exceed their lengths; are the names swapped?".to_owned(),
            });
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAINING: [RangeInclusive<f64>; N_FEATURES] =
        [2.0..=4.4, 4.3..=7.9, 0.1..=2.5, 1.0..=6.9];

    fn check(row: [f64; N_FEATURES], expected: &[(&str, Option<&str>)]) {
        let warnings = Warning::about(&Measurements::from_row(row), &TRAINING);
        let found: Vec<_> =
            warnings.iter().map(|warning| (warning.code.as_str(), warning.field)).collect();
        assert_eq!(found, expected);
        let measurements = Measurements::from_row(row);
        let codes: Vec<_> = WarningCode::about(&measurements, &TRAINING).collect();
        assert_eq!(codes, warnings.iter().map(|warning| warning.code).collect::<Vec<_>>());
    }

    #[test]
    fn an_ordinary_flower_raises_no_warning() {
        check([3.5, 5.1, 0.2, 1.4], &[]);
    }

    #[test]
    fn the_training_range_includes_its_ends() {
        check([2.0, 7.9, 0.1, 6.9], &[]);
        check(
            [1.999, 7.9, 0.1, 6.901],
            &[("out_of_range", Some("sepal_width")), ("out_of_range", Some("petal_length"))],
        );
    }

    #[test]
    fn swapped_names_are_recognized() {
        check([4.4, 4.3, 1.4, 1.1], &[("swapped", None)]);
    }
}
