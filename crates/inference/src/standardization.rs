//! From measurements to what the network was trained on: mean 0, standard deviation 1.

use domain::{FEATURES, Measurements, N_FEATURES};

use crate::finite::first_not_finite;
use crate::vectors::with_widest_vectors;
use crate::{Error, Manifest};

/// The mean and the scale of each feature over the training rows, in the order of [`FEATURES`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standardization {
    means: [f64; N_FEATURES],
    scales: [f64; N_FEATURES],
}

impl Standardization {
    /// The numbers of a manifest that fits.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let mut standardization = Self { means: [0.0; N_FEATURES], scales: [1.0; N_FEATURES] };
        for (i, feature) in manifest.features.iter().take(N_FEATURES).enumerate() {
            standardization.means[i] = feature.mean;
            standardization.scales[i] = feature.scale;
        }
        standardization
    }

    /// `(x - mean) / scale` of each feature, in float64, rounded to float32 once at the end.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Input`] if a result is not finite; `first` is the number of the first row.
    pub(crate) fn apply(
        &self,
        first: usize,
        rows: &[Measurements],
    ) -> Result<Vec<[f32; N_FEATURES]>, Error> {
        with_widest_vectors(
            #[inline(always)]
            || {
                let standardized: Vec<_> = rows.iter().map(|row| self.apply_to(row)).collect();
                match first_not_finite(standardized.as_flattened()) {
                    None => Ok(standardized),
                    Some(place) => {
                        let (row, feature) = (place / N_FEATURES, FEATURES[place % N_FEATURES]);
                        Err(Error::Input { row: first + row, feature: feature.name })
                    }
                }
            },
        )
    }

    #[inline(always)]
    fn apply_to(&self, measurements: &Measurements) -> [f32; N_FEATURES] {
        let mut row = measurements.to_row();
        for (value, (mean, scale)) in row.iter_mut().zip(self.means.iter().zip(&self.scales)) {
            *value = (*value - mean) / scale;
        }
        row.map(|value| value as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALVES_FROM_ONE: Standardization =
        Standardization { means: [1.0; N_FEATURES], scales: [0.5; N_FEATURES] };

    #[test]
    fn the_mean_is_subtracted_before_the_scale_divides() {
        let standardized =
            HALVES_FROM_ONE.apply(0, &[Measurements::from_row([2.0; N_FEATURES])]).unwrap();
        assert_eq!(standardized, [[2.0; N_FEATURES]]);
    }

    #[test]
    fn a_value_that_is_not_finite_is_refused_by_name() {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e39] {
            let mut row = [1.0; N_FEATURES];
            row[N_FEATURES - 1] = wrong;
            let rows = [[1.0; N_FEATURES], row].map(Measurements::from_row);
            let error = HALVES_FROM_ONE.apply(6, &rows).unwrap_err().to_string();
            assert!(
                error.contains("row 7") && error.contains(FEATURES[N_FEATURES - 1].name),
                "{error}"
            );
        }
    }
}
