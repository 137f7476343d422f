//! The store: connections to the record, and what is asked of all of them.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::time::{Instant, sleep, timeout};

use crate::statements::Statements;
use crate::{Database, Error, Writer, deadlines, fitness, session};

/// How many connections readers share. Reading is light and writers have their own.
const READERS: usize = 8;

/// How many batches can be written at once; more than two make each of them smaller and all of them dearer.
const WRITERS: usize = 2;

/// The record: a pool of connections for reading, and the way to writers.
///
/// A clone is the same store. Connections are made when they are needed, so making a store needs no database.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    pub(crate) readers: Pool,
    pub(crate) statements: Arc<Statements>,
}

impl Store {
    /// The record in this database. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// Fails if the pool cannot be set up.
    pub fn new(database: Database) -> Result<Self, Error> {
        let readers = session::readers(&database, READERS)?;
        Ok(Self { database, readers, statements: Arc::new(Statements::compose()) })
    }

    /// Where the record is.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A writer with connections of its own, made when they are first needed. Answers to requests with a key are kept for
    /// so long.
    ///
    /// # Errors
    ///
    /// Fails if its pool cannot be set up.
    pub fn writer(&self, answers_kept: Duration) -> Result<Writer, Error> {
        let connections = session::writers(&self.database, WRITERS)?;
        Ok(Writer::new(connections, Arc::clone(&self.statements), answers_kept))
    }

    /// Waits until the database can be reached, at most [`deadlines::START`].
    ///
    /// # Errors
    ///
    /// Fails with the last reason if it cannot be reached in time, or if it is older than PostgreSQL 14.
    pub async fn wait_until_reachable(&self) -> Result<(), Error> {
        let give_up = Instant::now() + deadlines::START;
        loop {
            match self.check_version().await {
                Err(error @ Error::Unreachable(_)) if Instant::now() < give_up => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the database is not reachable yet"
                    );
                    sleep(Duration::from_millis(100)).await;
                }
                done => return done,
            }
        }
    }

    async fn check_version(&self) -> Result<(), Error> {
        let action = "read the server's version";
        let row = self
            .reader()
            .await?
            .query_one("select current_setting('server_version_num')::int, current_setting('server_version')", &[])
            .await
            .map_err(Error::query(action))?;
        let (number, name): (i32, String) = (row.get(0), row.get(1));
        if number < 140_000 { Err(Error::TooOld { found: name }) } else { Ok(()) }
    }

    /// Checks that the database answers and may keep the record: commits last, the schema is there, and this program
    /// may write it.
    ///
    /// # Errors
    ///
    /// Fails if it does not answer within [`deadlines::CONNECT`], refuses, or is [unfit](Error::Unfit).
    pub async fn check(&self) -> Result<(), Error> {
        timeout(deadlines::CONNECT, async { fitness::check(&*self.reader().await?).await })
            .await
            .map_err(|_elapsed| Error::TimedOut { action: "look at the record" })?
    }

    /// Deletes the kept answers that are older than this and says how many there were.
    ///
    /// # Errors
    ///
    /// Fails if the database is away or a part of them is not deleted within [`deadlines::READ`].
    pub async fn forget_answers(&self, older_than: Duration) -> Result<u64, Error> {
        let action = "delete expired answers";
        let mut forgotten = 0;
        loop {
            let some = timeout(deadlines::READ, async {
                let session = self.reader().await?;
                let statement = session.prepare_cached(self.statements.forget).await;
                let statement = statement.map_err(Error::query(action))?;
                let seconds = older_than.as_secs_f64();
                session.execute(&statement, &[&seconds]).await.map_err(Error::query(action))
            })
            .await
            .map_err(|_elapsed| Error::TimedOut { action })??;
            forgotten += some;
            if some == 0 {
                return Ok(forgotten);
            }
        }
    }

    pub(crate) async fn reader(&self) -> Result<Object, Error> {
        self.readers.get().await.map_err(|error| Error::Unreachable(error.into()))
    }

    /// Closes every connection; what is asked of the store afterwards fails.
    pub fn close(&self) {
        self.readers.close();
    }
}
