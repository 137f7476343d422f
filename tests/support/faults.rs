//! What the tests of faults share: a turn, patience, and figures.

use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

/// Waits for the turn of a test that is hard on the machine; one at a time has it.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// Waits until this holds, at most a minute, and says how long it took.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    started.elapsed()
}

/// Says what was measured; shown with `--show-output`.
#[expect(clippy::print_stderr, reason = "the figures are for people")]
pub(crate) fn measured(what: &str, duration: Duration) {
    eprintln!("{what}: {:.3} s", duration.as_secs_f64());
}
