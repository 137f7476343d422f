//! How many requests a key may make.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Counts the requests of one key: so many per second, and as many at once.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: NonZeroU32,
    limiter: DefaultDirectRateLimiter,
}

impl Rate {
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, limiter: RateLimiter::direct(Quota::per_second(per_second)) }
    }

    pub(crate) fn per_second(&self) -> NonZeroU32 {
        self.per_second
    }

    /// Counts a request, or says how long to wait for the next.
    pub(crate) fn count(&self) -> Result<(), Duration> {
        let wait =
            |refused: governor::NotUntil<_>| refused.wait_time_from(DefaultClock::default().now());
        self.limiter.check().map_err(wait)
    }
}
