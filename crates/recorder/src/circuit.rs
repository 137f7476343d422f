//! The circuit breaker: whether the database is thought to be there, and when that is tried next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The first pause before a trial, and the longest: each failure doubles it, a write that succeeds ends that.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(800);

/// Opened by a write that fails, closed by a trial that does not.
///
/// While it is open nobody waits for the database. A trial writes what is in doubt or spooled; if nothing is, it asks the
/// database whether it is fit to be written to, and the next request is what is written.
#[derive(Debug)]
pub(crate) struct Circuit {
    away: Arc<AtomicBool>,
    trial_at: Option<Instant>,
    pause: Duration,
}

impl Circuit {
    /// A closed one, which shows here whether it is open.
    pub(crate) fn new(away: Arc<AtomicBool>) -> Self {
        Self { away, trial_at: None, pause: SHORTEST }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.trial_at.is_some()
    }

    /// When the next trial is due; `None` while it is closed.
    pub(crate) fn trial_at(&self) -> Option<Instant> {
        self.trial_at
    }

    /// A write or a trial failed.
    pub(crate) fn failed(&mut self) {
        if !self.is_open() {
            tracing::warn!("the database is away; until it is back nobody waits for it");
        }
        self.away.store(true, Ordering::Relaxed);
        self.trial_at = Some(Instant::now() + self.pause);
        self.pause = LONGEST.min(self.pause * 2);
    }

    /// A write succeeded.
    pub(crate) fn wrote(&mut self) {
        self.pause = SHORTEST;
    }

    /// A trial succeeded, and nothing is left in doubt.
    pub(crate) fn close(&mut self) {
        if self.is_open() {
            tracing::info!("the database is back");
        }
        self.away.store(false, Ordering::Relaxed);
        self.trial_at = None;
    }

    /// A trial succeeded, but there is more to be tried at once.
    pub(crate) fn try_more(&mut self) {
        self.trial_at = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_become_rarer_until_a_write_succeeds() {
        let away = Arc::new(AtomicBool::new(false));
        let mut circuit = Circuit::new(Arc::clone(&away));
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let now = Instant::now();
            circuit.failed();
            pauses.push((circuit.trial_at().unwrap() - now).as_millis() / 10 * 10);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 800, 800]);
        assert!(away.load(Ordering::Relaxed));

        // That it can be reached does not mean that it can be written to.
        circuit.close();
        assert!(!circuit.is_open() && !away.load(Ordering::Relaxed));
        circuit.failed();
        assert!(circuit.trial_at().unwrap() > Instant::now() + LONGEST / 2);
        circuit.close();
        circuit.wrote();
        circuit.failed();
        assert!(circuit.trial_at().unwrap() <= Instant::now() + SHORTEST);
    }
}
