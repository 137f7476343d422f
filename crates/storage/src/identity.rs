//! Whether two addresses lead to the same database.

use chrono::{DateTime, Utc};
use tokio_postgres::Client;

use crate::{Database, Error, deadlines, session};

/// The name of a database, and when its server was started: no two servers have both alike.
const IDENTITY: &str = "select current_database()::text, pg_postmaster_start_time()";

impl Database {
    /// Makes sure that another address leads to the same database.
    ///
    /// # Errors
    ///
    /// Fails if one of them cannot be reached; with [`Error::OtherDatabase`] if they differ.
    pub async fn check_same(&self, other: &Self) -> Result<(), Error> {
        let (ours, theirs) = (identity(self).await?, identity(other).await?);
        if ours == theirs {
            return Ok(());
        }
        Err(Error::OtherDatabase { other: other.to_string(), database: self.to_string() })
    }
}

async fn identity(database: &Database) -> Result<(String, DateTime<Utc>), Error> {
    let session = session::single(database, deadlines::READ, deadlines::READ).await?;
    let identity = ask(&session.0).await;
    session::end(session).await;
    identity
}

async fn ask(client: &Client) -> Result<(String, DateTime<Utc>), Error> {
    let row = client.query_typed_one(IDENTITY, &[]).await;
    let row = row.map_err(Error::query("read which database this is"))?;
    Ok((row.get(0), row.get(1)))
}
