//! Writing: a batch of records, in both tables, in one transaction.

use std::sync::Arc;

use deadpool_postgres::{Object, Pool};
use domain::Record;
use tokio::time::timeout;

use crate::claims::{Claim, Claims, Kept};
use crate::columns::Columns;
use crate::copying::{WORTHWHILE, copy};
use crate::fitness::Fitness;
use crate::left_out::{LeftOut, of_write};
use crate::statement::Statement;
use crate::statements::Statements;
use crate::{Error, deadlines};

/// A writer of records, of two batches at a time at most. It makes a connection when it is needed, and another when one is
/// lost.
#[derive(Debug)]
pub struct Writer {
    pub(crate) connections: Pool,
    statements: Arc<Statements>,
    /// Whether large batches can be copied, which takes several statements.
    copies: bool,
    fitness: Fitness,
    left_out: Arc<LeftOut>,
}

impl Writer {
    pub(crate) fn new(
        connections: Pool,
        statements: Arc<Statements>,
        copies: bool,
        fitness: Fitness,
        left_out: Arc<LeftOut>,
    ) -> Self {
        Self { connections, statements, copies, fitness, left_out }
    }

    /// Writes the records, all of one model version, into both tables: all of them or none.
    ///
    /// When it returns `Ok`, they are committed and the WAL is flushed.
    ///
    /// # Errors
    ///
    /// [`Error::is_in_doubt`]: the records may have been written or not. Then [`write_again`](Self::write_again) is safe.
    /// After any other error nothing is written: the data are [refused](Error::is_refusal), or the database is away, is not
    /// fit, or did not answer within [`deadlines::WRITE`].
    pub async fn write(&self, records: &[Record]) -> Result<(), Error> {
        if !self.copies || records.len() < WORTHWHILE {
            return self.execute(&self.statements.write, records, false).await;
        }
        let copy =
            async |connection: &mut Object| copy(connection, &self.statements, records).await;
        self.write_whole(copy, false).await
    }

    /// Writes those of the records that are not there yet: for a batch whose first writing ended in doubt.
    ///
    /// Input and prediction are always written together, so an `id` is in both tables or in neither.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_again(&self, records: &[Record]) -> Result<(), Error> {
        self.execute(&self.statements.rewrite, records, true).await
    }

    /// Writes the records of requests some of which have claims, and says of each claim whether its key was free.
    ///
    /// Where it was not, the records of that request are not written; all others are, and the claims with them: all of
    /// them or none. No two of the claims may have the same caller and key. `again` is for a batch whose first writing
    /// ended in doubt: then a key that is not free may be the batch's own.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn write_once(
        &self,
        records: &[Record],
        claims: &[Claim<'_>],
        again: bool,
    ) -> Result<Vec<bool>, Error> {
        let statement =
            if again { &self.statements.rewrite_once } else { &self.statements.write_once };
        let columns = Columns::of(records);
        let arrays = Claims::of(claims, records.len());
        let mut parameters = columns.parameters();
        parameters.extend(arrays.parameters());
        let write = async |connection: &mut Object| {
            statement.query(connection, &parameters).await.map_err(of_write)
        };
        let mut free = vec![false; claims.len()];
        for row in self.write_whole(write, again).await? {
            for number in row.get::<_, Vec<i64>>(1) {
                free[place(number)] = true;
            }
        }
        Ok(free)
    }

    /// What is kept for the keys of these claims, in their order.
    ///
    /// # Errors
    ///
    /// Fails if the database is away or does not answer within [`deadlines::WRITE`].
    pub async fn kept(&self, claims: &[Claim<'_>]) -> Result<Vec<Option<Kept>>, Error> {
        let callers: Vec<_> = claims.iter().map(|claim| claim.caller).collect();
        let keys: Vec<_> = claims.iter().map(|claim| claim.key).collect();
        let rows = self
            .with_connection(async |connection| {
                let answers = &self.statements.answers;
                let kept = answers.query(connection, &[&callers, &keys]).await;
                kept.map_err(Error::query("read the answers that are kept"))
            })
            .await?;
        let mut kept = vec![None; claims.len()];
        for row in rows {
            let number: i64 = row.get(0);
            kept[place(number)] = Some(Kept { fingerprint: row.get(1), answer: row.get(2) });
        }
        Ok(kept)
    }

    /// Checks that a connection can be had, to a database that is fit to keep the record.
    ///
    /// # Errors
    ///
    /// Fails if there is none within [`deadlines::CONNECT`].
    pub async fn check(&self) -> Result<(), Error> {
        let action = "look at the record";
        timeout(deadlines::CONNECT, async {
            let connection = self.connection().await?;
            let fit = self.fitness.check(&connection).await;
            if fit.is_err() {
                drop(Object::take(connection));
            }
            fit
        })
        .await
        .map_err(|_elapsed| Error::TimedOut { action })?
    }

    /// One statement for both tables, so one round trip.
    async fn execute(
        &self,
        statement: &Statement,
        records: &[Record],
        again: bool,
    ) -> Result<(), Error> {
        let columns = Columns::of(records);
        let write = async |connection: &mut Object| {
            statement.query(connection, &columns.parameters()).await.map(drop).map_err(of_write)
        };
        self.write_whole(write, again).await
    }

    /// Writes a batch, and takes notice if rows are left out of it. A batch that may be there already is written once more
    /// before that is believed: a row that another statement wrote meanwhile is not seen before the next statement. So is one
    /// whose partition was made meanwhile.
    async fn write_whole<T>(
        &self,
        write: impl AsyncFnOnce(&mut Object) -> Result<T, Error> + Copy,
        again: bool,
    ) -> Result<T, Error> {
        let mut written = self.with_connection(write).await;
        if written
            .as_ref()
            .is_err_and(|error| error.is_misrouted() || again && matches!(error, Error::LeftOut))
        {
            written = self.with_connection(write).await;
        }
        self.left_out.notice(&written);
        written
    }

    async fn connection(&self) -> Result<Object, Error> {
        self.connections.get().await.map_err(|error| Error::Unreachable(error.into()))
    }

    async fn with_connection<T>(
        &self,
        write: impl AsyncFnOnce(&mut Object) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let action = "write the record";
        // Held outside of the deadline, so that a connection with a statement still running is not used again.
        let mut connection = None;
        let written = timeout(deadlines::WRITE, async {
            let connection = connection.insert(self.connection().await?);
            write(connection).await
        })
        .await
        .unwrap_or(Err(Error::TimedOut { action }));

        let (Err(error), Some(connection)) = (&written, connection) else { return written };
        if error.is_refusal() || error.is_misrouted() {
            return written;
        }
        drop(Object::take(connection));
        written.map_err(Error::of_sent_write)
    }
}

/// Where the claim of this number stands; numbers are counted from 1.
fn place(number: i64) -> usize {
    usize::try_from(number - 1).unwrap_or_default()
}
