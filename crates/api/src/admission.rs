//! How many requests are let in at once.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use poem::Request;

use crate::problem::Problem;

/// How many requests may be in work: as many as there are connections, so that only clients that send many on each of
/// theirs (HTTP/2) are ever refused. It bounds the memory; the time that a request waits is bounded by the recorder.
const MOST: usize = 8_192;

/// The requests in work.
#[derive(Debug, Default)]
pub(crate) struct Admission(AtomicUsize);

/// A request that is in work until this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted<'a>(&'a AtomicUsize);

impl Admission {
    /// Lets a request in, or refuses it with 503 before anything of its body is read.
    ///
    /// Whether the process lives can always be asked.
    pub(crate) fn of(&self, request: &Request) -> Result<Admitted<'_>, Problem> {
        let before = self.0.fetch_add(1, Relaxed);
        let admitted = Admitted(&self.0);
        if before >= MOST && request.uri().path() != "/health/live" {
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
