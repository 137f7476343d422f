//! How many requests are let in at once, of all callers and of one.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use access::KeyId;

use crate::problem::Problem;
use crate::shares::Shares;

/// How many requests may be in work: as many as there are connections, so that only clients that send many on each of
/// theirs (HTTP/2) are ever refused. It bounds the memory; the time that a request waits is bounded by the recorder.
const MOST: usize = 4_096;

/// How many of them may be those of one key.
const MOST_OF_ONE: usize = MOST / 2;

/// The requests in work.
///
/// Only requests that were let in count: what is answered without a key has no place here that a caller with one could miss.
#[derive(Debug)]
pub(crate) struct Admission {
    all: Places,
    of_one: Shares<Places>,
}

/// Places for requests in work.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    taken: AtomicUsize,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken<'a>(&'a AtomicUsize);

impl Default for Admission {
    fn default() -> Self {
        Self { all: Places::up_to(MOST), of_one: Shares::of(|| Places::up_to(MOST_OF_ONE)) }
    }
}

impl Admission {
    /// Lets a request of this caller in, or refuses it with 503 before anything of its body is read.
    pub(crate) fn of(
        &self,
        caller: Option<KeyId>,
    ) -> Result<(Taken<'_>, Option<Taken<'_>>), Problem> {
        let refused = || Problem::overloaded("too many requests are in work");
        let share = caller.and_then(|key| self.of_one.share(key));
        let own = share.map(|places| places.take().ok_or_else(refused)).transpose()?;
        Ok((self.all.take().ok_or_else(refused)?, own))
    }
}

impl Places {
    /// So many places, all of them free.
    pub(crate) fn up_to(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0) }
    }

    /// A place; nothing if all are taken.
    pub(crate) fn take(&self) -> Option<Taken<'_>> {
        let before = self.taken.fetch_add(1, Relaxed);
        let place = Taken(&self.taken);
        (before < self.most).then_some(place)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
