//! Several pieces of work, timed in turn.

use std::time::{Duration, Instant};

/// How long one stretch of a case runs at least.
const STRETCH: Duration = Duration::from_millis(4);

/// One piece of work.
#[expect(missing_debug_implementations, reason = "a closure has nothing to show")]
pub struct Case<'a> {
    /// What it is called.
    pub name: &'static str,
    /// How many rows one call works on.
    pub rows: usize,
    /// The call.
    pub call: Box<dyn FnMut() + 'a>,
}

/// The nanoseconds per row of each case: the median of this many rounds, each running every case once.
pub fn measure(cases: &mut [Case<'_>], rounds: usize) -> Vec<f64> {
    let calls: Vec<u32> = cases.iter_mut().map(|case| calls_in_a_stretch(&mut case.call)).collect();
    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    for _ in 0..rounds {
        for ((case, calls), times) in cases.iter_mut().zip(&calls).zip(&mut times) {
            let took = time(&mut case.call, *calls).as_secs_f64() * 1e9;
            times.push(took / f64::from(*calls) / case.rows as f64);
        }
    }
    times.into_iter().map(median).collect()
}

/// Doubles the number of calls until they take long enough to be timed; warms up on the way.
fn calls_in_a_stretch(call: &mut dyn FnMut()) -> u32 {
    let mut calls = 1;
    while time(call, calls) < STRETCH {
        calls *= 2;
    }
    calls
}

fn time(call: &mut dyn FnMut(), calls: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
    }
}
