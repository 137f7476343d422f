//! The memory that bodies take while they come.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many bytes there may be of all the bodies that come in parts; one that is complete takes twice that for a moment. The
/// memory is the process's, so this is too.
static FREE: AtomicUsize = AtomicUsize::new(64 << 20);

/// What one body has taken; it is given back when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Room(usize);

impl Room {
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
