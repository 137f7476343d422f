//! Rows that the database left out: it took a statement without an error, and wrote fewer rows than were sent.
//!
//! A trigger can do so, or a rule. Nothing of such a batch may be committed, so the statement itself compares, and fails.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use crate::Error;

/// The setting that a statement asks for when it wrote fewer rows than were sent. There is no such setting, so the statement
/// fails, with these words; the log of the server shows them too.
const SETTING: &str = "onrecord.rows_left_out";

/// For how long the database is taken to be unfit after it left out rows; a batch that is written whole ends that at once.
const REMEMBERED: Duration = Duration::from_secs(30);

/// The end of a statement that writes: it fails unless one of these conditions holds, which are looked at in their order.
pub(crate) fn or_fail(conditions: &[&str]) -> String {
    let holds: String = conditions.iter().map(|it| format!("when {it} then true ")).collect();
    format!("case {holds}else current_setting('{SETTING}') is not null end")
}

/// The error for a batch that was copied, if the tables did not take all of its rows.
pub(crate) fn check_copied(sent: usize, taken: [u64; 2]) -> Result<(), Error> {
    if taken == [sent as u64; 2] { Ok(()) } else { Err(Error::LeftOut) }
}

/// The error of a statement that writes.
pub(crate) fn of_write(error: tokio_postgres::Error) -> Error {
    let refusal = error.as_db_error().filter(|it| *it.code() == SqlState::UNDEFINED_OBJECT);
    if refusal.is_some_and(|refusal| refusal.message().contains(SETTING)) {
        return Error::LeftOut;
    }
    Error::query("write the record")(error)
}

/// Whether the database left out rows a short while ago. Those who write notice it, and those who look whether the database
/// is fit need to know it.
#[derive(Debug, Default)]
pub(crate) struct LeftOut(Mutex<Option<Instant>>);

impl LeftOut {
    /// Takes notice of how a write ended.
    pub(crate) fn notice<T>(&self, written: &Result<T, Error>) {
        let at = match written {
            Ok(_) => None,
            Err(Error::LeftOut) => Some(Instant::now()),
            Err(_) => return,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Fails if rows were left out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if at.is_some_and(|at| at.elapsed() < REMEMBERED) { Err(Error::LeftOut) } else { Ok(()) }
    }
}
