//! What a row has found: figures, and what did not hold.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::checker::Verdict;
use crate::ledger::{Doubt, Entry, Outcome};

/// How long any answer may take, whatever the database does; also, how soon all is well once it is back.
pub(crate) const PROMISED: Duration = Duration::from_secs(2);

/// What a row has found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finding {
    pub(crate) verdict: Option<Verdict>,
    /// How often each outcome was seen.
    pub(crate) statuses: BTreeMap<String, usize>,
    /// The longest time from healing until all was well.
    pub(crate) recovery: Option<Duration>,
    /// The 99th percentile of the time to a 503.
    pub(crate) refusal_p99: Option<Duration>,
    /// The longest wait for any answer.
    pub(crate) longest: Option<Duration>,
    /// What did not hold.
    pub(crate) failures: Vec<String>,
    /// What took too long, or was too little in its time: of that the machine may be the cause.
    pub(crate) late: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Which outcomes a row may see besides 200 and 503.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// None: every request is answered.
    #[default]
    Answers,
    /// Broken connections too: the service is killed or stopped.
    Breaks,
    /// Anything that is not a lie: the clients or the network misbehave.
    Anything,
}

impl Finding {
    /// Requires that this holds.
    pub(crate) fn require(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(what());
        }
    }

    /// Requires that this holds, which hangs on how fast the machine is as well.
    pub(crate) fn require_in_time(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.late.push(what());
        }
    }

    /// Whether all that was required holds.
    pub(crate) fn is_good(&self) -> bool {
        self.failures.is_empty() && self.late.is_empty()
    }

    /// What does not hold, of either kind.
    pub(crate) fn misses(&self) -> impl Iterator<Item = &String> {
        self.failures.iter().chain(&self.late)
    }

    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    /// Adds a time until all was well again, which must be within what is promised.
    pub(crate) fn recovered(&mut self, what: &str, after: Duration) {
        self.recovery = self.recovery.max(Some(after));
        self.require_in_time(after <= PROMISED, || {
            format!("{what}: well only after {:.2} s", after.as_secs_f64())
        });
    }

    /// Adds what the clients were told, and holds it against what is promised.
    pub(crate) fn told(&mut self, entries: &[Entry], allowed: Allowed) {
        let mut refusals = Vec::new();
        for Entry { attempt, took, outcome, .. } in entries {
            *self.statuses.entry(outcome.name()).or_default() += 1;
            if matches!(outcome, Outcome::Indeterminate(Doubt::Unavailable)) {
                refusals.push(*took);
            }
            if let Outcome::Violation(status, what) = outcome
                && self.failures.len() < 10
            {
                self.failures.push(format!("{attempt:?} was told {status}: {what}"));
            }
            if !matches!(outcome, Outcome::Indeterminate(Doubt::Pending)) {
                self.longest = self.longest.max(Some(*took));
            }
        }
        self.refusal_p99 = self.refusal_p99.max(percentile(&mut refusals, 0.99));
        let seen = |name: &str| self.statuses.get(name).copied().unwrap_or(0);
        let broken = seen("broken") + seen("unsent");
        let (hung, pending) = (seen("timeout"), seen("pending"));
        if allowed != Allowed::Anything {
            let longest = self.longest.unwrap_or_default();
            self.require_in_time(longest < PROMISED, || {
                format!("an answer took {:.2} s", longest.as_secs_f64())
            });
            self.require(hung == 0, || format!("{hung} requests hung"));
        }
        if allowed == Allowed::Answers {
            self.require(broken + pending == 0, || {
                format!("{} requests were not answered", broken + pending)
            });
        }
    }

    /// Adds what the record has shown, which must be clean.
    pub(crate) fn judged(&mut self, verdict: Verdict) {
        if !verdict.is_clean() {
            self.failures.push(verdict.to_string());
            self.failures.extend(verdict.examples.iter().take(3).cloned());
        }
        match &mut self.verdict {
            Some(before) => before.add(verdict),
            None => self.verdict = Some(verdict),
        }
    }

    /// Adds what another part of the row has found.
    pub(crate) fn absorb(&mut self, other: Self) {
        if let Some(verdict) = other.verdict {
            match &mut self.verdict {
                Some(before) => before.add(verdict),
                None => self.verdict = Some(verdict),
            }
        }
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.recovery = self.recovery.max(other.recovery);
        self.refusal_p99 = self.refusal_p99.max(other.refusal_p99);
        self.longest = self.longest.max(other.longest);
        self.failures.extend(other.failures);
        self.late.extend(other.late);
        self.notes.extend(other.notes);
    }

    /// Adds what an earlier try has found, in which nothing but time was wrong.
    pub(crate) fn follow(&mut self, earlier: Self) {
        if let (Some(before), Some(verdict)) = (earlier.verdict, &mut self.verdict) {
            verdict.add(before);
        }
        for (status, count) in earlier.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.note(format!("tried again, as before: {}", earlier.late.join(", ")));
        self.notes.extend(earlier.notes);
    }

    /// The share of 200 among what was sent in this time.
    pub(crate) fn acknowledged_share(entries: &[Entry], from: Instant, to: Instant) -> f64 {
        let sent: Vec<_> =
            entries.iter().filter(|entry| (from..to).contains(&entry.sent)).collect();
        let acknowledged =
            sent.iter().filter(|entry| matches!(entry.outcome, Outcome::Acknowledged(..))).count();
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = acknowledged as f64 / sent.len().max(1) as f64;
        share
    }
}

/// The element at this share of the sorted times.
pub(crate) fn percentile(times: &mut [Duration], share: f64) -> Option<Duration> {
    times.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length"
    )]
    let place = (times.len() as f64 * share) as usize;
    times.get(place.min(times.len().saturating_sub(1))).copied()
}
