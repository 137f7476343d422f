//! The tasks that run in the background, watched over: one that ends or panics is reported, counted and started again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::error;

/// The rest before a task is started again; it doubles each time.
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// The longest rest; a task that has run for longer than this rests shortly again.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The background tasks of the service; they end when this is dropped or [shut down](Self::shut_down).
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: JoinSet<()>,
    restarts: Vec<Restarts>,
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
        self.running.spawn(keep_running(name, task, count));
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
) where
    F: Future<Output = ()> + Send,
{
    let mut rest = SHORTEST_REST;
    loop {
        let started = Instant::now();
        // A panic has left its own line in the log, with its place.
        let ended = AssertUnwindSafe(async { task().await }).catch_unwind().await;
        let how = if ended.is_ok() { "ended" } else { "panicked" };
        if started.elapsed() > LONGEST_REST {
            rest = SHORTEST_REST;
        }
        count.fetch_add(1, Relaxed);
        error!("the background task `{name}` {how}; it is started again in {} s", rest.as_secs());
        sleep(rest).await;
        rest = (rest * 2).min(LONGEST_REST);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_or_ends_is_started_again_and_counted() {
        let mut tasks = Tasks::default();
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
        let began = Instant::now();
        works.notified().await;
        // One second, two, four.
        assert_eq!((began.elapsed().as_secs(), starts.load(Relaxed)), (7, 4));
        let counted = tasks.restarts().into_iter().map(|it| (it.task, it.count.load(Relaxed)));
        assert_eq!(counted.collect::<Vec<_>>(), [("fragile", 3), ("sound", 0)]);
        tasks.shut_down().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_is_bounded_and_short_again_after_a_good_run() {
        let mut tasks = Tasks::default();
        let starts = Arc::new(std::sync::Mutex::new(Vec::new()));
        let task = {
            let starts = Arc::clone(&starts);
            move || {
                let mut starts = starts.lock().unwrap();
                starts.push(Instant::now());
                // The ninth runs for an hour.
                sleep(Duration::from_secs(if starts.len() == 9 { 3_600 } else { 0 }))
            }
        };
        tasks.spawn("brief", task);
        sleep(Duration::from_secs(3_600 + 300)).await;
        let starts = starts.lock().unwrap();
        let rests = starts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).take(10);
        assert_eq!(rests.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60, 3_601, 2]);
        drop(tasks);
    }
}
