//! Requests that are recorded once, however often they are sent.

use std::fmt;
use std::sync::Arc;

use domain::Record;

/// Makes the answer to a request out of its records.
pub type Render = Box<dyn FnOnce(&[Record]) -> Vec<u8> + Send + Sync>;

/// What makes a request one that is recorded once: its key, and how it is answered each time.
pub struct Once {
    /// Whose key it is, 255 characters at most.
    pub caller: Arc<str>,
    /// The key, 1 to 255 characters.
    pub key: String,
    /// What is asked, hashed: under one key it must be the same each time.
    pub fingerprint: [u8; 32],
    /// Makes the answer, which is kept with the key.
    pub render: Render,
}

impl Once {
    /// Claims the key for these records.
    pub(crate) fn claim(self, records: &[Record]) -> Claim {
        let Self { caller, key, fingerprint, render } = self;
        Claim { caller, key, fingerprint, answer: render(records) }
    }

    /// What two requests must not have in common if one statement writes both.
    pub(crate) fn name(&self) -> (Arc<str>, String) {
        (Arc::clone(&self.caller), self.key.clone())
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// The key of a predicted request, and the answer that is to be kept for it.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) caller: Arc<str>,
    pub(crate) key: String,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) answer: Vec<u8>,
}
