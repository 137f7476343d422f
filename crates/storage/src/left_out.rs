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

/// The end of a statement that writes: a query of `written`, which has the numbers `sent`, `inputs` and `predictions`. It
/// fails unless all three are equal, or would be with the rows that `there` counts in each table.
pub(crate) fn complete(there: Option<[&str; 2]>) -> String {
    let there = there.map_or_else(String::new, |[inputs, predictions]| {
        format!(
            "when inputs + ({inputs}) = sent and predictions + ({predictions}) = sent then true"
        )
    });
    format!(
        "case when inputs = sent and predictions = sent then true
              {there}
              else current_setting(format('{SETTING} (sent %s, raw_data %s, prediction %s)', sent, inputs, predictions))
                   is not null end"
    )
}

/// The error for a batch that was copied, if the tables did not take all of its rows.
pub(crate) fn check_copied(sent: usize, inputs: u64, predictions: u64) -> Result<(), Error> {
    if inputs == sent as u64 && predictions == sent as u64 {
        return Ok(());
    }
    let rows = format!("(sent {sent}, raw_data {inputs}, prediction {predictions})");
    Err(Error::LeftOut { rows })
}

/// The error of a statement that writes.
pub(crate) fn of_write(error: tokio_postgres::Error) -> Error {
    let refusal = error.as_db_error().filter(|it| *it.code() == SqlState::UNDEFINED_OBJECT);
    let rows = refusal.and_then(|refusal| {
        let (_, rows) = refusal.message().split_once(SETTING)?;
        rows.trim_start().split_inclusive(')').next().map(ToOwned::to_owned)
    });
    match rows {
        Some(rows) => Error::LeftOut { rows },
        None => Error::query("write the record")(error),
    }
}

/// Whether the database left out rows a short while ago. Those who write notice it, and those who look whether the database
/// is fit need to know it.
#[derive(Debug, Default)]
pub(crate) struct LeftOut(Mutex<Option<(Instant, String)>>);

impl LeftOut {
    /// Takes notice of how a write ended.
    pub(crate) fn notice<T>(&self, written: &Result<T, Error>) {
        let found = match written {
            Ok(_) => None,
            Err(Error::LeftOut { rows }) => Some((Instant::now(), rows.clone())),
            Err(_) => return,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// Fails if rows were left out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((at, rows)) if at.elapsed() < REMEMBERED => {
                Err(Error::LeftOut { rows: rows.clone() })
            }
            _ => Ok(()),
        }
    }
}
