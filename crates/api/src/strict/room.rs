//! The memory that the heads and bodies of requests take.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use poem::http::HeaderMap;

/// How many bytes are free. The memory is the process's, so this is too; until the plan for the process is known, it is
/// that of tests.
static FREE: AtomicUsize = AtomicUsize::new(48 << 20);

/// How long a head may be that is not worth counting, in bytes.
const SHORT_HEAD: usize = 2 << 10;

/// What a header takes beside its name and its value, in bytes: its place in the map, and its part of the empty ones.
const HEADER: usize = 200;

/// What one request has taken; it is given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room(usize);

impl Room {
    /// Sets how many bytes there are for all requests; nothing may have been taken yet.
    pub(crate) fn provide(bytes: usize) {
        FREE.store(bytes, Relaxed);
    }

    /// The room that these headers take; nothing if there is not enough.
    pub(crate) fn of_head(headers: &HeaderMap) -> Option<Self> {
        let text = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let bytes = text.sum::<usize>() + headers.len() * HEADER;
        let mut room = Self::default();
        (bytes <= SHORT_HEAD + 16 * HEADER || room.take(bytes)).then_some(room)
    }

    /// Takes so many bytes more, if they are there.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let taken = FREE.fetch_update(Relaxed, Relaxed, |free| free.checked_sub(bytes)).is_ok();
        if taken {
            self.0 += bytes;
        }
        taken
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.0 > 0 {
            FREE.fetch_add(self.0, Relaxed);
        }
    }
}
