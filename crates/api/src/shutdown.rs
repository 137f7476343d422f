//! The signals that ask the service to stop.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tracing::info;

use crate::terminal::Terminal;

/// For how many looks, a tenth of a second apart, a hangup may come before the terminal is gone: a terminal program may
/// tell first and close then.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// SIGTERM, Ctrl-C and SIGHUP, listened for from the moment this is made.
#[derive(Debug)]
pub(crate) struct Shutdown {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    terminal: Terminal,
}

impl Shutdown {
    /// Starts to listen; a signal that comes before anybody waits is not lost.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            terminal: Terminal::look(),
        })
    }

    /// Waits until one of them asks for a stop and says which. SIGHUP asks for one if the terminal is gone; else it asks
    /// those who read files to read them again, who listen for themselves.
    pub(crate) async fn requested(&mut self) -> &'static str {
        let Self { terminate, interrupt, hangup, terminal } = self;
        let hung_up = async {
            // After its last signal this ends, and then no terminal is gone.
            while hangup.recv().await.is_some() {
                for _ in 0..LOOKS {
                    if terminal.is_gone() {
                        return;
                    }
                    sleep(BETWEEN_LOOKS).await;
                }
                info!(
                    "SIGHUP: the service goes on; it reads its keys and its certificate again, where it has any"
                );
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "Ctrl-C",
            () = hung_up => "the terminal is gone",
        }
    }

    /// What `work` comes to; or, if a stop is requested before, what requested it. The work is dropped then.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Result<T, &'static str> {
        tokio::select! {
            done = work => Ok(done),
            signal = self.requested() => Err(signal),
        }
    }
}
