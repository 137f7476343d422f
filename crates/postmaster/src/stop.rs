//! The wish to stop, and waiting in a way that hears it.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Held by whoever may wish; dropping it is the wish.
#[derive(Debug)]
pub(crate) struct Run {
    _sender: Sender<Infallible>,
}

/// Hears of the wish.
#[derive(Debug)]
pub(crate) struct Stop(Receiver<Infallible>);

/// The two ends.
pub(crate) fn stop() -> (Run, Stop) {
    let (sender, receiver) = channel();
    (Run { _sender: sender }, Stop(receiver))
}

impl Stop {
    /// Waits; `true`, and at once, if it is time to stop.
    pub(crate) fn within(&self, duration: Duration) -> bool {
        matches!(self.0.recv_timeout(duration), Err(RecvTimeoutError::Disconnected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wish_is_heard_and_stays() {
        let (run, stop) = stop();
        assert!(!stop.within(Duration::ZERO));
        drop(run);
        assert!(stop.within(Duration::from_secs(60)));
        assert!(stop.within(Duration::ZERO));
    }
}
