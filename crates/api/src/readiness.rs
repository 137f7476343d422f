//! Whether the service can record, found out once a second for everybody who asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use storage::{Error, Probe};
use tokio::time::{Instant, sleep};

use crate::problem::{Code, Problem};

/// How long after one look the next begins.
const PAUSE: Duration = Duration::from_secs(1);

/// How old a look may be that still counts: it takes at most a second, so somebody has stopped looking.
const FRESH: Duration = Duration::from_secs(5);

/// What the last look at the database has found.
///
/// Anybody may ask whether the service is ready, as often as they like: they are told what is known, and the database does
/// not notice.
#[derive(Debug)]
pub(crate) struct Readiness(Mutex<Look>);

#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    found: Result<(), Arc<Error>>,
}

impl Readiness {
    /// The database was found fit a moment ago.
    pub(crate) fn fit() -> Self {
        Self(Mutex::new(Look { at: Instant::now(), found: Ok(()) }))
    }

    /// Looks again and again.
    pub(crate) async fn watch(self: Arc<Self>, probe: Arc<Probe>) {
        loop {
            sleep(PAUSE).await;
            let found = probe.look().await.map_err(Arc::new);
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
                Look { at: Instant::now(), found };
        }
    }

    /// What is known.
    ///
    /// # Errors
    ///
    /// Fails with 503 if the database may not keep the record, or has not been looked at for some seconds.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        const UNREADY: &str = "the record cannot be written";
        let Look { at, found } = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        found.map_err(|error| {
            let detail = match &*error {
                // Those are our own words, and somebody has to mend it.
                Error::Unfit { .. } | Error::LeftOut | Error::ClocksApart { .. } => {
                    format!("{UNREADY}: {error}")
                }
                _ => UNREADY.to_owned(),
            };
            Problem::new(Code::DatabaseUnavailable, detail).because(error)
        })?;
        if at.elapsed() > FRESH {
            let stale = "the database has not been looked at for seconds";
            return Err(Problem::new(Code::DatabaseUnavailable, UNREADY).because(stale));
        }
        Ok(())
    }
}
