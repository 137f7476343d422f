//! How many lines failures may leave in the log: enough to see what is wrong, but not so many that an overload becomes
//! one of the log as well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How many lines there may be in a second.
const LINES: u64 = 100;

/// Counts the lines of the present second.
#[derive(Debug)]
pub(crate) struct LogBudget {
    began: Instant,
    /// The number of the present second, counted from the beginning.
    second: AtomicU64,
    /// How many lines were asked for in it.
    asked: AtomicU64,
}

/// Whether a line may be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may; so many before it were not.
    Write { left_out: u64 },
    /// It is left out.
    LeaveOut,
}

impl LogBudget {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), second: AtomicU64::new(0), asked: AtomicU64::new(0) }
    }

    /// Asks for a line. Two threads that meet in the first moment of a second may miscount by a few.
    pub(crate) fn ask(&self, now: Instant) -> Verdict {
        let second = (now - self.began).as_secs();
        let mut left_out = 0;
        if self.second.swap(second, Ordering::Relaxed) != second {
            left_out = self.asked.swap(0, Ordering::Relaxed).saturating_sub(LINES);
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) < LINES {
            Verdict::Write { left_out }
        } else {
            Verdict::LeaveOut
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_second_has_a_hundred_lines_and_the_next_one_says_how_many_were_left_out() {
        let budget = LogBudget::new();
        let write = Verdict::Write { left_out: 0 };
        for n in 0..250 {
            let verdict = budget.ask(budget.began + Duration::from_millis(n));
            assert_eq!(
                verdict,
                if n < 100 { Verdict::Write { left_out: 0 } } else { Verdict::LeaveOut }
            );
        }
        let next = budget.began + SECOND;
        assert_eq!(budget.ask(next), Verdict::Write { left_out: 150 });
        assert_eq!(budget.ask(next), write);
        assert_eq!(budget.ask(next + SECOND * 5), write);
    }
}
