//! The pace of writing: how large batches should be, and how many may be under way, by how long commits take.

use std::time::Duration;

use crate::gathering::Aim;

/// Commits that take longer, the work for their rows aside, are slow.
const SLOW: Duration = Duration::from_millis(1);

/// What a row's own work may take in a commit, which is no reason to wait: some 10 µs here, and as much again for slower
/// machines.
const ROW: Duration = Duration::from_micros(20);

/// No batch waits longer than this for rows that do not come.
const MOST_PATIENCE: Duration = Duration::from_millis(2);

/// So many batches at most are between two trials whether a second batch beside the first pays.
const RAREST_TRIAL: u32 = 32;

/// While commits are fast, a batch of so many rows is large enough: the work for a row falls no further.
const ENOUGH: usize = 56;

/// What was learned from the batches so far.
///
/// Callers mostly come back: who has an answer sends the next request. So the rows in play, written or waiting when a
/// batch is done, are about the rows that the next batches can expect.
///
/// | commits | a batch leaves |
/// |---|---|
/// | fast | with 4/5 of the rows in play, or enough, or nobody else being read: one part is read while the other is written |
/// | slow | with 9/10 of them, after half a commit at most: everybody who misses a flush waits for a whole one |
/// | slow, and two at once take no longer than one | at once, and beside it a second one with all the rest |
///
/// The last is so where commits wait for something that several can wait for together: a replica, or PostgreSQL's own
/// `commit_delay`. On a disk that does one flush after the other it is not; which of them it is, trials tell: one as soon as
/// commits are slow, and while they fail, each after twice as many batches. The first may fail because its connection is new.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    rows_in_play: usize,
    /// How long a commit takes by itself, the work for its rows aside: a moving average.
    alone: Duration,
    /// How long one takes that began beside another: a moving average.
    beside: Duration,
    second_pays: bool,
    /// How many batches are left until the next trial, and how many there were between the last two.
    trial_in: u32,
    trial_every: u32,
}

/// One batch that was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// How many rows it had.
    pub(crate) rows: u32,
    /// How long it took.
    pub(crate) took: Duration,
    /// Whether another was under way when it began.
    pub(crate) beside_another: bool,
}

impl Pace {
    /// How many batches may be under way at once.
    pub(crate) fn depth(&self) -> usize {
        if self.is_slow() && (self.second_pays || self.trial_in == 0) { 2 } else { 1 }
    }

    /// What the next batch should wait for while so many rows are under way.
    pub(crate) fn aim(&self, rows_under_way: usize) -> Aim {
        if !self.is_slow() {
            return Aim { rows: ENOUGH.min(self.rows_in_play * 4 / 5), patience: None };
        }
        let rows = match rows_under_way {
            0 if self.second_pays => 1,
            0 => self.rows_in_play * 9 / 10,
            _ => self.rows_in_play.saturating_sub(rows_under_way),
        };
        Aim { rows, patience: Some(MOST_PATIENCE.min(self.alone / 2)) }
    }

    /// Learns from a batch that is done, with so many rows in play: its own, those waiting, those under way.
    pub(crate) fn learn(&mut self, written: Option<Written>, rows_in_play: usize) {
        // Who was just answered by another batch is on the way back and seen nowhere, so the number falls slowly.
        self.rows_in_play = rows_in_play.max(self.rows_in_play * 15 / 16);
        self.trial_in = self.trial_in.saturating_sub(1);
        let Some(Written { rows, took, beside_another }) = written else { return };
        let took = took.saturating_sub(ROW * rows);
        if beside_another {
            self.beside = if self.second_pays { average(self.beside, took) } else { took };
            self.second_pays = self.beside <= self.alone * 5 / 4;
            let longer = if self.second_pays { 0 } else { self.trial_every * 2 + 1 };
            self.trial_every = RAREST_TRIAL.min(longer);
            self.trial_in = self.trial_every;
        } else {
            // One that was held up does not make commits slow; several do.
            self.alone = average(self.alone, took.min(SLOW.max(self.alone) * 2));
        }
    }

    fn is_slow(&self) -> bool {
        self.alone > SLOW
    }
}

/// The moving average after one more value, which counts a fifth.
fn average(before: Duration, value: Duration) -> Duration {
    (before * 4 + value) / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_micros(300);
    const SLOW_COMMIT: Duration = Duration::from_millis(4);

    fn after(batches: &[(Duration, bool)]) -> Pace {
        let mut pace = Pace::default();
        for &(took, beside_another) in batches {
            pace.learn(Some(written(took, beside_another)), 64);
        }
        pace
    }

    fn written(took: Duration, beside_another: bool) -> Written {
        Written { rows: 1, took: took + ROW, beside_another }
    }

    #[test]
    fn a_lone_caller_is_never_kept_waiting() {
        for took in [FAST, SLOW_COMMIT] {
            let mut pace = Pace::default();
            for _ in 0..100 {
                pace.learn(Some(written(took, false)), 1);
            }
            assert!(pace.aim(0).rows <= 1, "{pace:?}");
        }
    }

    #[test]
    fn callers_who_are_on_their_way_back_are_in_play_and_those_who_stay_away_are_not() {
        let mut pace = after(&[(SLOW_COMMIT, false); 10]);
        pace.learn(None, 5);
        assert_eq!(pace.rows_in_play, 60);
        for _ in 0..40 {
            pace.learn(None, 1);
        }
        assert_eq!(pace.rows_in_play, 1);
    }

    #[test]
    fn while_commits_are_fast_one_batch_is_under_way_and_waits_for_no_clock() {
        let pace = after(&[(FAST, false); 200]);
        assert_eq!(pace.depth(), 1);
        assert_eq!(pace.aim(0), Aim { rows: 51, patience: None });
    }

    #[test]
    fn while_trials_fail_they_become_rare() {
        let mut pace = after(&[(SLOW_COMMIT, false); 20]);
        let mut between = Vec::new();
        for _ in 0..7 {
            let mut batches = 0;
            while pace.depth() == 1 {
                pace.learn(Some(written(SLOW_COMMIT, false)), 64);
                batches += 1;
            }
            pace.learn(Some(written(SLOW_COMMIT * 2, true)), 64);
            between.push(batches);
        }
        assert_eq!(between, [0, 1, 3, 7, 15, 31, 32]);
    }

    #[test]
    fn a_single_commit_that_was_held_up_does_not_make_commits_slow() {
        let pace = after(&[(FAST, false), (Duration::from_millis(30), false)]);
        assert_eq!((pace.depth(), pace.aim(0).patience), (1, None));
    }

    #[test]
    fn slow_commits_wait_for_those_who_come_back_but_not_for_long() {
        let pace = after(&[(SLOW_COMMIT, false); 20]);
        let Aim { rows, patience } = pace.aim(0);
        assert_eq!(rows, 57);
        assert!(patience.unwrap() <= MOST_PATIENCE);
    }

    #[test]
    fn a_second_batch_is_tried_and_kept_only_if_it_takes_no_longer() {
        let mut pace = after(&[(SLOW_COMMIT, false); 20]);
        assert_eq!(pace.depth(), 2, "it is time for a trial");
        pace.learn(Some(written(SLOW_COMMIT * 2, true)), 64);
        assert_eq!((pace.depth(), pace.aim(0).rows), (1, 57), "one flush after the other");

        let mut pace = after(&[(SLOW_COMMIT, false); 20]);
        pace.learn(Some(written(SLOW_COMMIT, true)), 64);
        assert_eq!((pace.depth(), pace.aim(0).rows, pace.aim(1).rows), (2, 1, 63));
        for _ in 0..3 {
            pace.learn(Some(written(SLOW_COMMIT * 2, true)), 64);
        }
        assert_eq!(pace.depth(), 1, "no longer so");
    }

    #[test]
    fn a_large_batch_is_not_a_slow_commit() {
        let mut pace = after(&[(FAST, false); 10]);
        let large =
            Written { rows: 10_000, took: Duration::from_millis(60), beside_another: false };
        pace.learn(Some(large), 10_000);
        assert_eq!((pace.depth(), pace.aim(0).patience), (1, None));
    }

    #[test]
    fn a_batch_that_failed_teaches_nothing_about_time() {
        let mut pace = after(&[(FAST, false); 10]);
        let before = pace.alone;
        pace.learn(None, 64);
        assert_eq!(pace.alone, before);
    }
}
