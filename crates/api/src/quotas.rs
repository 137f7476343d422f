//! What one caller may take up beyond single requests: rows of batches, and answers that are kept.

use std::sync::Arc;
use std::time::Duration;

use access::{KeptAnswers, Keyring};

use crate::guard::{Caller, too_many};
use crate::problem::{Code, Problem};

/// The quotas of all callers, counted in this process.
#[derive(Debug)]
pub(crate) struct Quotas {
    keyring: Option<Arc<Keyring>>,
    kept: KeptAnswers,
}

impl Quotas {
    /// The rates of the keys, if there are some, and so many bytes of answers for each caller, kept for this long.
    pub(crate) fn new(keyring: Option<Arc<Keyring>>, answer_bytes: u64, kept: Duration) -> Self {
        Self { keyring, kept: KeptAnswers::new(answer_bytes, kept) }
    }

    /// Counts the rows of a batch.
    pub(crate) fn count_rows(&self, caller: Option<&Caller>, rows: usize) -> Result<(), Problem> {
        let (Some(keyring), Some(Caller(key))) = (&self.keyring, caller) else { return Ok(()) };
        keyring.count_rows(*key, rows).map_err(|wait| {
            too_many(Code::TooManyRequests, "this key has sent too many rows for the moment", wait)
                .because(format!("the key {key} has sent too many rows"))
        })
    }

    /// Counts an answer that is to be kept.
    pub(crate) fn count_answer(&self, caller: &Arc<str>, rows: usize) -> Result<(), Problem> {
        self.kept.count(caller, rows).map_err(|wait| {
            let detail = "too many answers are kept for this caller; \
                          send it later, or without an Idempotency-Key; nothing was recorded";
            too_many(Code::TooManyAnswers, detail, wait)
                .because(format!("too many answers are kept for the key {caller}"))
        })
    }
}
