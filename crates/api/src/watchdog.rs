//! The proof that the service works, for a supervisor that ends it otherwise.
//!
//! A task among those that serve asks the task that accepts connections, and tells the supervisor once that has answered. So
//! silence means that the one or the other does not get to run, and a restart helps. A database that is away is none of it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::supervisor::Supervisor;
use crate::tasks::Tasks;

/// Is polled with what accepts connections, and answers.
#[derive(Debug)]
pub(crate) struct Heart(mpsc::Receiver<oneshot::Sender<()>>);

impl Heart {
    /// Answers for ever.
    pub(crate) async fn beat(mut self) {
        while let Some(asked) = self.0.recv().await {
            // The task that asked may not wait any more.
            let _ = asked.send(());
        }
        std::future::pending::<()>().await;
    }
}

/// Starts to tell the supervisor, twice in each span in which it must hear something; nothing is started if it need not.
pub(crate) fn start(supervisor: &Arc<Supervisor>, tasks: &mut Tasks) -> Heart {
    let (ask, asked) = mpsc::channel(1);
    if supervisor.silence.is_some() {
        let supervisor = Arc::clone(supervisor);
        tasks.spawn("watchdog", move || watch(Arc::clone(&supervisor), ask.clone()));
    }
    Heart(asked)
}

async fn watch(supervisor: Arc<Supervisor>, heart: mpsc::Sender<oneshot::Sender<()>>) {
    let Some(silence) = supervisor.silence else { return };
    let mut turn = interval(silence / 2);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        let (answer, answered) = oneshot::channel();
        // Without a heart there is nothing to prove: the service is about to end.
        if heart.send(answer).await.is_err() || answered.await.is_err() {
            return std::future::pending().await;
        }
        supervisor.alive().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::UnixDatagram;
    use tokio::time::{sleep, timeout};

    use super::*;

    const SILENCE: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_service_that_accepts_nobody_is_not_said_to_work() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let supervisor = Arc::new(Supervisor::at(&path, SILENCE));
        let mut tasks = Tasks::default();
        let heart = start(&supervisor, &mut tasks);
        // As long as what accepts connections is not polled, the heart is not either.
        assert!(timeout(SILENCE * 10, socket.recv(&mut [0; 16])).await.is_err());
        let beating = tokio::spawn(heart.beat());
        for _ in 0..3 {
            let mut words = [0; 16];
            let length = socket.recv(&mut words).await.unwrap();
            assert_eq!(&words[..length], b"WATCHDOG=1");
        }
        beating.abort();
        sleep(SILENCE).await;
        while socket.try_recv(&mut [0; 16]).is_ok() {}
        assert!(timeout(SILENCE * 10, socket.recv(&mut [0; 16])).await.is_err());
    }
}
