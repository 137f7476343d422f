//! How many requests a key may make, and how many rows it may send in batches.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, NotUntil, Quota, RateLimiter};

/// How many rows of batches go with each request that a key may make in a second.
const ROWS: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// How many rows may come at once whatever the rate: those of the largest batch.
const LARGEST_BATCH: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// Counts the requests of one key: so many per second, and as many at once; and the rows of its batches, a hundred times as
/// many.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: NonZeroU32,
    requests: DefaultDirectRateLimiter,
    rows: DefaultDirectRateLimiter,
}

impl Rate {
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        let rows = per_second.saturating_mul(ROWS);
        let rows = Quota::per_second(rows).allow_burst(rows.max(LARGEST_BATCH));
        let requests = Quota::per_second(per_second);
        Self {
            per_second,
            requests: RateLimiter::direct(requests),
            rows: RateLimiter::direct(rows),
        }
    }

    pub(crate) fn per_second(&self) -> NonZeroU32 {
        self.per_second
    }

    /// Counts a request, or says how long to wait for the next.
    pub(crate) fn count(&self) -> Result<(), Duration> {
        self.requests.check().map_err(|refused| wait(&refused))
    }

    /// Counts the rows of a batch, or says how long to wait until it may come.
    pub(crate) fn count_rows(&self, rows: NonZeroU32) -> Result<(), Duration> {
        // No batch is larger than what may come at once.
        self.rows
            .check_n(rows.min(LARGEST_BATCH))
            .unwrap_or(Ok(()))
            .map_err(|refused| wait(&refused))
    }
}

/// How long until what was refused would be allowed.
pub(crate) fn wait(refused: &NotUntil<<DefaultClock as Clock>::Instant>) -> Duration {
    refused.wait_time_from(DefaultClock::default().now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_a_hundred_times_the_requests_and_the_largest_batch_may_come() {
        let number = |number| NonZeroU32::new(number).unwrap();
        for (rate, at_once) in [(1, 10_000), (10, 10_000), (1_000, 100_000)] {
            let rate = Rate::new(number(rate));
            let batches = (0..at_once / 10_000).filter(|_| rate.count_rows(number(10_000)).is_ok());
            assert_eq!(batches.count() * 10_000, at_once);
            let wait = rate.count_rows(number(10_000)).unwrap_err();
            let expected = 10_000.0 / (100.0 * f64::from(rate.per_second().get()));
            assert!((expected - wait.as_secs_f64()).abs() < expected / 10.0 + 0.1, "{wait:?}");
            // Requests are counted by themselves.
            assert!(rate.count().is_ok());
        }
        assert!(Rate::new(NonZeroU32::MAX).count_rows(number(1)).is_ok());
    }
}
