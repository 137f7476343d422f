//! Whether numbers are numbers.

/// The place of the first value that is NaN or infinite.
#[inline(always)]
pub(crate) fn first_not_finite(values: &[f32]) -> Option<usize> {
    // First without a branch per value, which vectors can do: there is nearly never anything to find.
    let finite = values.iter().fold(true, |finite, value| finite & value.is_finite());
    if finite { None } else { values.iter().position(|value| !value.is_finite()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_that_is_not_finite_is_found_wherever_it_stands() {
        assert_eq!(first_not_finite(&[]), None);
        assert_eq!(first_not_finite(&[f32::MAX; 50]), None);
        for place in 0..50 {
            for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut values = [f32::MIN; 50];
                values[place..].fill(wrong);
                assert_eq!(first_not_finite(&values), Some(place));
            }
        }
    }
}
