//! The tasks that run in the background, watched over: one that ends or panics is reported, counted and started again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::error;

/// The background tasks of the service; they end when this is dropped or [shut down](Self::shut_down).
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: JoinSet<()>,
    restarts: Vec<Restarts>,
    rests: Rests,
}

/// The rests of a task before it is started again: each is twice as long as the one before, up to the longest. A task that has
/// run for longer than the longest rest begins with the first again.
#[derive(Debug, Clone, Copy)]
struct Rests {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Rests {
    const fn from_to(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The rest after a run of this length.
    fn after(&mut self, run: Duration) -> Duration {
        let rest = if run > self.longest { self.first } else { self.next };
        self.next = (rest * 2).min(self.longest);
        rest
    }
}

impl Default for Rests {
    fn default() -> Self {
        Self::from_to(Duration::from_secs(1), Duration::from_secs(60))
    }
}

/// How often a task was started again.
#[derive(Debug, Clone)]
pub(crate) struct Restarts {
    pub(crate) task: &'static str,
    pub(crate) count: Arc<AtomicU64>,
}

impl Tasks {
    /// Runs what `task` makes, again and again: it should never end.
    pub(crate) fn spawn<F>(&mut self, name: &'static str, task: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let count = Arc::new(AtomicU64::new(0));
        self.restarts.push(Restarts { task: name, count: Arc::clone(&count) });
        self.running.spawn(keep_running(name, task, count, self.rests));
    }

    /// How often each task was started again.
    pub(crate) fn restarts(&self) -> Vec<Restarts> {
        self.restarts.clone()
    }

    /// Ends all of them, and waits until they have ended.
    pub(crate) async fn shut_down(mut self) {
        self.running.shutdown().await;
    }
}

async fn keep_running<F>(
    name: &'static str,
    mut task: impl FnMut() -> F + Send,
    count: Arc<AtomicU64>,
    mut rests: Rests,
) where
    F: Future<Output = ()> + Send,
{
    loop {
        let started = Instant::now();
        // A panic has left its own line in the log, with its place.
        let ended = AssertUnwindSafe(async { task().await }).catch_unwind().await;
        let how = if ended.is_ok() { "ended" } else { "panicked" };
        let rest = rests.after(started.elapsed());
        count.fetch_add(1, Relaxed);
        error!("the background task `{name}` {how}; it is started again in {} s", rest.as_secs());
        sleep(rest).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_or_ends_is_started_again_and_counted() {
        let short = Rests::from_to(Duration::from_millis(1), Duration::from_millis(4));
        let mut tasks = Tasks { rests: short, ..Tasks::default() };
        let (starts, works) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let task = {
            let (starts, works) = (Arc::clone(&starts), Arc::clone(&works));
            move || {
                let start = starts.fetch_add(1, Relaxed);
                assert!(start > 0, "it panics before there is a future");
                let works = Arc::clone(&works);
                async move {
                    match start {
                        1 => panic!("it panics while it runs"),
                        2 => {}
                        _ => {
                            works.notify_one();
                            std::future::pending::<()>().await;
                        }
                    }
                }
            }
        };
        tasks.spawn("fragile", task);
        tasks.spawn("sound", std::future::pending);
        works.notified().await;
        assert_eq!(starts.load(Relaxed), 4);
        let counted = tasks.restarts().into_iter().map(|it| (it.task, it.count.load(Relaxed)));
        assert_eq!(counted.collect::<Vec<_>>(), [("fragile", 3), ("sound", 0)]);
        tasks.shut_down().await;
    }

    #[test]
    fn the_rest_is_bounded_and_short_again_after_a_good_run() {
        let mut rests = Rests::default();
        let runs = [0, 0, 0, 0, 0, 0, 0, 60, 3_600, 0].map(Duration::from_secs);
        let rests = runs.map(|run| rests.after(run).as_secs());
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60, 1, 2]);
    }
}
