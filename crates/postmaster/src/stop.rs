//! The wish to stop, and waiting in a way that hears it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::Error;

/// The wish to stop. Its copies share it; once wished, it stays.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Makes the wish: a start is called off, and what runs is stopped.
    pub fn wish(&self) {
        let (wished, heard) = &*self.0;
        *wished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        heard.notify_all();
    }

    /// Waits; `true`, and at once, if it is time to stop.
    pub(crate) fn within(&self, duration: Duration) -> bool {
        let (wished, heard) = &*self.0;
        let wished = wished.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = heard.wait_timeout_while(wished, duration, |wished| !*wished);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Fails if it is time to stop.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.within(Duration::ZERO) { Err(Error::CalledOff) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_wish_is_heard_and_stays() {
        let stop = Stop::default();
        assert!(!stop.within(Duration::ZERO));
        stop.check().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| stop.within(Duration::from_secs(60)));
            stop.clone().wish();
            assert!(waiting.join().unwrap());
        });
        assert!(stop.within(Duration::ZERO));
        assert!(matches!(stop.check(), Err(Error::CalledOff)));
    }
}
