//! How fast rows are written when more of them come than can be, and so how many may wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;
use crate::pace::Written;

/// What part of what it knows the recorder forgets with each batch that shows nothing new: an old measurement must not keep
/// callers out of a database that has become faster.
const FADING: f64 = 1.0 / 32.0;

/// What was learned from the batches so far.
///
/// A queue that takes longer than a caller waits is worse than none: every row is written just after its caller has given
/// up, and the next one's time runs out meanwhile. So only as many rows may be queued or being written as are written in
/// half of the deadline; who comes then is refused at once. The other half is for a database that becomes slower.
#[derive(Debug)]
pub(crate) struct Throughput {
    limits: Limits,
    /// How many seconds a row takes while full batches follow each other: a moving average; 0 if that was not seen.
    per_row: f64,
    /// How many seconds a batch takes: a moving average.
    batch: f64,
    /// When the last batch was done, if enough waited then for the next to be full.
    backlogged_since: Option<Instant>,
}

impl Throughput {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, per_row: 0.0, batch: 0.0, backlogged_since: None }
    }

    /// Learns from a batch that is done now, while so many rows wait.
    pub(crate) fn learn(&mut self, now: Instant, written: Option<Written>, waiting: usize) {
        let since = self.backlogged_since.take();
        let Some(Written { rows, took, .. }) = written else { return };
        self.batch = average(self.batch, took.as_secs_f64());
        match since {
            Some(since) => {
                let per_row = (now - since).as_secs_f64() / f64::from(rows.max(1));
                self.per_row = average(self.per_row, per_row);
            }
            None => self.per_row *= 1.0 - FADING,
        }
        self.backlogged_since = (waiting >= self.limits.batch_rows / 2).then_some(now);
    }

    /// How many rows may be queued or being written before the next request is refused: two batches at least, so that one
    /// is ready when the other is done.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a number that is too large, as by a division by zero, gives the largest"
    )]
    pub(crate) fn reach(&self) -> usize {
        let in_time = self.limits.deadline.as_secs_f64() / 2.0 / self.per_row;
        (in_time as usize).max(2 * self.limits.batch_rows)
    }

    /// How much of its time a request must have left for it to be written: what a batch takes, but no more than half of the
    /// deadline.
    pub(crate) fn needed(&self) -> Duration {
        Duration::from_secs_f64(self.batch).min(self.limits.deadline / 2)
    }
}

/// The moving average after one more value, which counts a fifth.
fn average(before: f64, value: f64) -> f64 {
    if before == 0.0 { value } else { (before * 4.0 + value) / 5.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { rows: 20_000, batch_rows: 1_000, deadline: Duration::from_secs(2) };
    const TENTH: Duration = Duration::from_millis(100);

    /// What is learned from so many batches of so many rows, one after the other, each of which takes so long, while so
    /// many rows wait.
    fn learn(throughput: &mut Throughput, batches: u32, rows: u32, took: Duration, waiting: usize) {
        let start = Instant::now();
        for number in 1..=batches {
            let written = Written { rows, took, beside_another: false };
            throughput.learn(start + took * number, Some(written), waiting);
        }
    }

    #[test]
    fn as_many_may_wait_as_are_written_in_half_of_the_deadline() {
        let mut throughput = Throughput::new(LIMITS);
        assert_eq!(throughput.reach(), usize::MAX, "nothing is known");
        learn(&mut throughput, 20, 1_000, TENTH, 5_000);
        assert!((9_990..=10_010).contains(&throughput.reach()), "{throughput:?}");
        assert_eq!(throughput.needed().as_millis(), 100);
    }

    #[test]
    fn batches_that_are_not_full_do_not_show_what_could_be_written() {
        let mut throughput = Throughput::new(LIMITS);
        learn(&mut throughput, 20, 1, TENTH, 1);
        assert_eq!(throughput.reach(), usize::MAX);
    }

    #[test]
    fn what_was_slow_once_is_forgotten_unless_it_is_seen_again() {
        let mut throughput = Throughput::new(LIMITS);
        learn(&mut throughput, 20, 1_000, TENTH, 5_000);
        learn(&mut throughput, 200, 1_000, TENTH, 0);
        assert!(throughput.reach() > LIMITS.rows as usize, "{throughput:?}");
    }

    #[test]
    fn however_slow_it_is_there_is_always_a_batch_to_write() {
        let mut throughput = Throughput::new(LIMITS);
        learn(&mut throughput, 20, 1, 100 * TENTH, 5_000);
        assert_eq!(throughput.reach(), 2 * LIMITS.batch_rows);
        assert_eq!(throughput.needed(), LIMITS.deadline / 2);
    }
}
