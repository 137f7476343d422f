//! The clock of this machine, by which ids and partitions are made, against that of the database.

use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Client;

use crate::Error;

/// How far they may be apart: further, one of them is wrong.
const APART: TimeDelta = TimeDelta::hours(1);

/// Compares them; `now` is the time here.
///
/// # Errors
///
/// [`Error::ClocksApart`] if they are too far apart. Else this fails if the database cannot be asked.
pub(crate) async fn check(session: &Client, now: DateTime<Utc>) -> Result<(), Error> {
    let row = session.query_typed_one("select clock_timestamp()", &[]).await;
    let theirs: DateTime<Utc> = row.map_err(Error::query("ask for the time"))?.get(0);
    if (theirs - now).abs() > APART {
        return Err(Error::ClocksApart { ours: now, theirs });
    }
    Ok(())
}
