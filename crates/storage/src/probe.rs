//! A look at the database that does not wait for anybody who reads or writes.

use deadpool_postgres::{Object, Pool};
use tokio::time::timeout;

use crate::{Database, Error, deadlines, fitness, session};

/// Looks whether the database may keep the record, over a connection of its own.
///
/// Callers can keep every session for reading busy; a probe that shared these would report their load as an outage.
#[derive(Debug)]
pub struct Probe {
    connection: Pool,
    /// Whether sessions are told how to commit, which they are not behind a pooler.
    told: bool,
}

impl Probe {
    pub(crate) fn of(database: &Database) -> Result<Self, Error> {
        Ok(Self { connection: session::probe(database)?, told: !database.is_pooled() })
    }

    /// Checks that the database answers and may keep the record: commits last, the schema is there, and this program
    /// may write it.
    ///
    /// # Errors
    ///
    /// Fails if it does not answer within [`deadlines::CONNECT`], refuses, or is [unfit](Error::Unfit).
    pub async fn look(&self) -> Result<(), Error> {
        // Held outside of the deadline, so that a connection with a statement still running is not used again.
        let mut session = None;
        let look = async {
            let got = self.connection.get().await;
            let session = session.insert(got.map_err(|error| Error::Unreachable(error.into()))?);
            fitness::check(session, self.told).await
        };
        let found = timeout(deadlines::CONNECT, look)
            .await
            .unwrap_or(Err(Error::TimedOut { action: "look at the record" }));
        if let (Some(session), Err(_)) = (session, &found) {
            drop(Object::take(session));
        }
        found
    }
}
