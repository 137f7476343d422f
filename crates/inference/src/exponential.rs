//! The exponential of several numbers at once, with the bits of the one in `libm`.

// From FreeBSD's lib/msun/src/e_exp.c, like `libm::exp`:
//
// Copyright (C) 2004 by Sun Microsystems, Inc. All rights reserved.
// Permission to use, copy, modify, and distribute this software is freely granted, provided that this notice
// is preserved.

/// The result is a normal number from here on.
const LOWEST: f64 = -708.0;

/// Up to here `libm` takes `x` as it is, below it subtracts multiples of ln 2: about -½ ln 2.
const REDUCED_UP_TO: f64 = -f64::from_bits(0x3fd6_2e43_0000_0000);

/// From here on `libm` takes `1 + x` for the result: about -2⁻²⁸.
const LINEAR_ABOVE: f64 = -f64::from_bits(0x3e30_0001_0000_0000);

/// Added to a number between -2⁵¹ and 2⁵¹, it rounds it to an integer, which the lowest bits then hold.
const ROUNDING: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²

/// ln 2 in two parts; multiples of the first by up to 2²⁰ are exact.
const LN2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);

/// The coefficients of `libm`'s approximation, by rising powers.
const P: [f64; 5] = [
    0.166_666_666_666_666_02,
    -2.777_777_777_701_559_3e-3,
    6.613_756_321_437_934e-5,
    -1.653_390_220_546_525_2e-6,
    4.138_136_797_057_238_5e-8,
];

/// Replaces each `x`, not above 0, by `eˣ`: bit for bit what `libm::exp` gives, on every CPU.
///
/// That one calls for a branch per number and so takes them one by one, which makes it the larger part of a
/// prediction. This is its algorithm without branches.
#[inline(always)]
pub(crate) fn exp<const N: usize>(numbers: &mut [f64; N]) {
    let ordinary = numbers.iter().fold(true, |all, x| all & (*x >= LOWEST));
    if ordinary {
        for x in numbers {
            *x = exp_of_ordinary(*x);
        }
    } else {
        for x in numbers {
            *x = libm::exp(*x); // Subnormal results, which need more care.
        }
    }
}

/// `eˣ` of a number from `LOWEST` to 0.
#[inline(always)]
fn exp_of_ordinary(x: f64) -> f64 {
    // x = k · ln 2 + r. As in `libm`, k is x / ln 2 - ½ rounded toward zero.
    let quotient = std::f64::consts::LOG2_E * x - 0.5;
    let quotient = if x <= REDUCED_UP_TO { quotient } else { 0.0 };
    let nearest = (quotient + ROUNDING) - ROUNDING;
    let k = if nearest < quotient { nearest + 1.0 } else { nearest };
    let (high, low) = (x - k * LN2.0, k * LN2.1);
    let r = high - low;

    let square = r * r;
    let series = P[0] + square * (P[1] + square * (P[2] + square * (P[3] + square * P[4])));
    let c = r - square * series;
    let power = 1.0 + (r * c / (2.0 - c) - low + high);

    let exponent = (k + ROUNDING).to_bits().wrapping_add(f64::MAX_EXP as u64 - 1);
    let scaled = power * f64::from_bits(exponent << (f64::MANTISSA_DIGITS - 1));
    if x > LINEAR_ABOVE { 1.0 + x } else { scaled }
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn check(x: f64) {
        let mut numbers = [x, 0.0];
        exp(&mut numbers);
        assert_eq!(numbers.map(f64::to_bits), [libm::exp(x), 1.0].map(f64::to_bits), "exp({x:e})");
    }

    #[test]
    fn random_numbers_have_the_bits_of_libm() {
        let mut generator = ChaCha8Rng::seed_from_u64(9);
        for _ in 0..1_000_000 {
            check(generator.random_range(LOWEST..=0.0));
            check(generator.random_range(-3.0..=0.0));
            // Every order of magnitude.
            check(-f64::from_bits(generator.random_range(0..=(-LOWEST).to_bits())));
        }
    }

    #[test]
    fn differences_of_scores_have_the_bits_of_libm() {
        let mut generator = ChaCha8Rng::seed_from_u64(10);
        for _ in 0..1_000_000 {
            let mut score = || generator.random_range(-20.0_f32..20.0);
            let (one, other) = (f64::from(score()), f64::from(score()));
            check(one.min(other) - one.max(other));
        }
    }

    #[test]
    fn numbers_around_every_boundary_have_the_bits_of_libm() {
        let halves = (0..1_022).map(|n| -std::f64::consts::LN_2 * (f64::from(n) + 0.5));
        let others = [REDUCED_UP_TO, LINEAR_ABOVE, LOWEST, -f64::MIN_POSITIVE, -1.0];
        for boundary in halves.chain(others) {
            for distance in -1_000_i64..=1_000 {
                check(f64::from_bits(boundary.to_bits().wrapping_add_signed(distance)));
            }
        }
    }

    #[test]
    fn results_that_are_subnormal_or_zero_have_the_bits_of_libm() {
        for x in [-708.5, -740.0, -745.2, -1e4, -f64::from(f32::MAX), -f64::INFINITY] {
            check(x);
        }
        check(-0.0);
        check(0.0);
    }
}
