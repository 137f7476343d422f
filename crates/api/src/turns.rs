//! How much of the record one key can read at once.

use std::time::Duration;

use poem::Request;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::guard::Caller;
use crate::problem::Problem;
use crate::shares::Shares;

/// How long a question may wait for those of the same key, so that it is answered in time.
const PATIENCE: Duration = Duration::from_millis(400);

/// The turns of keys to read: half of what can be read side by side for each of them, so that none keeps out the others.
#[derive(Debug)]
pub(crate) struct Turns(Shares<Semaphore>);

impl Turns {
    /// The turns where so many questions are answered side by side.
    pub(crate) fn among(readers: usize) -> Self {
        Self(Shares::of(|| Semaphore::new((readers / 2).max(1))))
    }

    /// Waits until it is the turn of this request, and holds it.
    ///
    /// # Errors
    ///
    /// Fails with 503 if it takes too long.
    pub(crate) async fn of(
        &self,
        request: &Request,
    ) -> Result<Option<SemaphorePermit<'_>>, Problem> {
        let caller = request.extensions().get::<Caller>();
        let Some(share) = caller.and_then(|Caller(key)| self.0.share(*key)) else {
            return Ok(None);
        };
        match timeout(PATIENCE, share.acquire()).await {
            // It is never closed.
            Ok(turn) => Ok(turn.ok()),
            Err(_) => Err(Problem::overloaded("this key reads too much at once")),
        }
    }
}
