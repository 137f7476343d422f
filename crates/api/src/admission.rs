//! How many requests are let in at once.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use poem::Request;

use crate::problem::Problem;

/// How many requests may be in work: as many as there are connections, so that only clients that send many on each of
/// theirs (HTTP/2) are ever refused. It bounds the memory; the time that a request waits is bounded by the recorder.
const MOST: usize = 8_192;

/// The requests in work.
#[derive(Debug)]
pub(crate) struct Admission {
    most: usize,
    now: AtomicUsize,
}

/// A request that is in work until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted<'a>(&'a AtomicUsize);

impl Default for Admission {
    fn default() -> Self {
        Self::to(MOST)
    }
}

impl Admission {
    /// Lets in so many at once.
    pub(crate) fn to(most: usize) -> Self {
        Self { most, now: AtomicUsize::new(0) }
    }

    /// Lets a request in, or refuses it with 503 before anything of its body is read.
    ///
    /// Whether the process lives can always be asked.
    pub(crate) fn of(&self, request: &Request) -> Result<Admitted<'_>, Problem> {
        let before = self.now.fetch_add(1, Relaxed);
        let admitted = Admitted(&self.now);
        if before >= self.most && request.uri().path() != "/health/live" {
            return Err(Problem::unavailable("too many requests are in work"));
        }
        Ok(admitted)
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
