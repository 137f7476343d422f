//! Writing: a batch of records, in both tables, in one transaction.

use std::sync::Arc;

use deadpool_postgres::{Object, Pool};
use domain::Record;
use tokio::time::timeout;

use crate::columns::Columns;
use crate::copying::{WORTHWHILE, copy};
use crate::statements::Statements;
use crate::{Error, deadlines};

/// A writer of records, of two batches at a time at most. It makes a connection when it is needed, and another when one is
/// lost.
#[derive(Debug)]
pub struct Writer {
    connections: Pool,
    statements: Arc<Statements>,
}

impl Writer {
    pub(crate) fn new(connections: Pool, statements: Arc<Statements>) -> Self {
        Self { connections, statements }
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
        if records.len() < WORTHWHILE {
            return self.execute(&self.statements.write, records).await;
        }
        self.with_connection(async |connection| copy(connection, &self.statements, records).await)
            .await
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

    /// One statement for both tables, so one round trip.
    async fn execute(&self, statement: &str, records: &[Record]) -> Result<(), Error> {
        let columns = Columns::of(records);
        self.with_connection(async |connection| {
            let statement = connection.prepare_cached(statement).await?;
            connection.execute(&statement, &columns.parameters()).await?;
            Ok(())
        })
        .await
    }

    async fn with_connection(
        &self,
        write: impl AsyncFnOnce(&mut Object) -> Result<(), tokio_postgres::Error>,
    ) -> Result<(), Error> {
        let action = "write the record";
        // Held outside of the deadline, so that a connection with a statement still running is not used again.
        let mut connection = None;
        let written = timeout(deadlines::WRITE, async {
            let connection = connection.insert(
                self.connections.get().await.map_err(|error| Error::Unreachable(error.into()))?,
            );
            write(connection).await.map_err(Error::query(action))
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
