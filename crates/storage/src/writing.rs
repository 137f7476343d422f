//! Writing: a batch of records, in both tables, in one transaction.

use std::sync::Arc;

use deadpool_postgres::{Object, Pool};
use domain::Record;
use tokio::time::timeout;

use crate::columns::Columns;
use crate::statements::Statements;
use crate::{Error, deadlines};

/// A writer of records. It has one connection, makes it when it is needed and makes another when it is lost.
#[derive(Debug)]
pub struct Writer {
    connection: Pool,
    statements: Arc<Statements>,
}

impl Writer {
    pub(crate) fn new(connection: Pool, statements: Arc<Statements>) -> Self {
        Self { connection, statements }
    }

    /// Writes the records, all of one model version, into both tables: all of them or none.
    ///
    /// When it returns `Ok`, they are committed and the WAL is flushed.
    ///
    /// # Errors
    ///
    /// [`Error::is_refusal`]: the data are refused and nothing is written. Anything else: the database is away, or
    /// did not answer within [`deadlines::WRITE`], and if the connection was lost or the time ran out, the records may
    /// have been written or not. Then [`write_again`](Self::write_again) is safe.
    pub async fn write(&self, records: &[Record]) -> Result<(), Error> {
        self.execute(&self.statements.write, records).await
    }

    /// Writes those of the records that are not there yet: for a batch whose first writing ended in doubt.
    ///
    /// Input and prediction are always written together, so an `id` is in both tables or in neither.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_again(&self, records: &[Record]) -> Result<(), Error> {
        self.execute(&self.statements.rewrite, records).await
    }

    async fn execute(&self, statement: &str, records: &[Record]) -> Result<(), Error> {
        let action = "write the record";
        let columns = Columns::of(records);
        // Held outside of the deadline, so that a connection with a statement still running is not used again.
        let mut connection = None;
        let written = timeout(deadlines::WRITE, async {
            let connection = connection.insert(
                self.connection.get().await.map_err(|error| Error::Unreachable(error.into()))?,
            );
            let refused = Error::query(action);
            let statement = connection.prepare_cached(statement).await.map_err(refused)?;
            connection.execute(&statement, &columns.parameters()).await.map_err(refused)?;
            Ok(())
        })
        .await
        .unwrap_or(Err(Error::TimedOut { action }));

        if let (Some(connection), Err(error)) = (connection, &written)
            && !error.is_refusal()
        {
            drop(Object::take(connection));
        }
        written
    }
}
