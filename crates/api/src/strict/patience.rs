//! How long a body may take to come.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// How long a body may take, from the first time that it was waited for.
const LIMIT: Duration = Duration::from_secs(15);

/// Waits for a body as often as needed, but not for longer than the limit in all.
///
/// Most bodies are there when they are asked for; a timer is set only if one is not.
#[derive(Debug, Default)]
pub(super) struct Patience(Option<Pin<Box<Sleep>>>);

impl Patience {
    /// What the future gives; nothing if there is no patience left.
    pub(super) async fn wait_for<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                let timer = self.0.get_or_insert_with(|| Box::pin(sleep(LIMIT)));
                timer.as_mut().poll(cx).map(|()| None)
            }
        })
        .await
    }
}
