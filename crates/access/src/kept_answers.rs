//! How many answers are kept for one caller.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::rate::wait;

/// The bytes that the answer to one row takes in the database, with the room for its key.
const ROW: u64 = 350;

/// In what the bytes are counted: even the shortest answer takes as much.
const UNIT: u64 = 1 << 10;

/// Bounds the room of the answers that are kept for the requests of each caller with an idempotency key.
///
/// It fills at once and is given back over the time for which answers are kept, so that they never take more than twice
/// the bound.
#[derive(Debug)]
pub struct KeptAnswers {
    callers: DefaultKeyedRateLimiter<Arc<str>>,
    bound: NonZeroU32,
}

impl KeptAnswers {
    /// So many bytes for each caller, of answers that are kept for this long.
    #[must_use]
    pub fn new(bytes: u64, kept: Duration) -> Self {
        let bound = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        let bound = NonZeroU32::new(bound).unwrap_or(NonZeroU32::MIN);
        let each = (kept / bound.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(each).unwrap_or(Quota::per_second(bound)).allow_burst(bound);
        Self { callers: RateLimiter::hashmap(quota), bound }
    }

    /// Counts the answer to so many rows, or says how long to wait until there is room for it.
    ///
    /// # Errors
    ///
    /// Fails if too many answers are kept for this caller already.
    pub fn count(&self, caller: &Arc<str>, rows: usize) -> Result<(), Duration> {
        let units = u32::try_from((rows as u64 * ROW).div_ceil(UNIT)).unwrap_or(u32::MAX);
        let units = NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN).min(self.bound);
        self.callers.check_key_n(caller, units).unwrap_or(Ok(())).map_err(|refused| wait(&refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_much_room_and_another_its_own() {
        let kept = KeptAnswers::new(103 << 20, Duration::from_secs(86_400));
        let [one, other] = ["one", "other"].map(Arc::from);
        let counted = (0..100).filter(|_| kept.count(&one, 10_000).is_ok()).count();
        assert_eq!(counted, 30, "of 3.5 MB each");
        let wait = kept.count(&one, 10_000).unwrap_err();
        assert!(wait > Duration::from_secs(60) && wait < Duration::from_secs(3_600), "{wait:?}");
        assert!(kept.count(&other, 10_000).is_ok());
        // However small the bound, one answer of any size is kept now and again.
        assert!(KeptAnswers::new(0, Duration::from_secs(1)).count(&one, 10_000).is_ok());
    }
}
