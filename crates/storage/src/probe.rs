//! A look at the database that does not wait for anybody who reads or writes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use deadpool_postgres::{Object, Pool};
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::fitness::Fitness;
use crate::left_out::LeftOut;
use crate::statements::Statements;
use crate::{Database, Error, clocks, deadlines, session, tables};

/// For how long tables that were found fit are not looked at again: nobody changes them but now and then.
const TABLES_LAST: Duration = Duration::from_secs(10);

/// Looks whether the database may keep the record, over a connection of its own.
///
/// Callers can keep every session for reading busy; a probe that shared these would report their load as an outage.
#[derive(Debug)]
pub struct Probe {
    connection: Pool,
    fitness: Fitness,
    statements: Arc<Statements>,
    left_out: Arc<LeftOut>,
    /// When the tables were found fit.
    tables_fit: Mutex<Option<Instant>>,
}

impl Probe {
    pub(crate) fn of(
        database: &Database,
        statements: Arc<Statements>,
        left_out: Arc<LeftOut>,
    ) -> Result<Self, Error> {
        let (connection, fitness) = (session::probe(database)?, Fitness::of(database));
        Ok(Self { connection, fitness, statements, left_out, tables_fit: Mutex::default() })
    }

    /// Checks that the database answers and may keep the record: commits last, the schema is there, this program may write
    /// it, the tables keep what is written, and no rows were left out of late.
    ///
    /// # Errors
    ///
    /// Fails if it does not answer within [`deadlines::CONNECT`], refuses, is [unfit](Error::Unfit),
    /// [leaves out rows](Error::LeftOut), or has [another time](Error::ClocksApart).
    pub async fn look(&self) -> Result<(), Error> {
        // Held outside of the deadline, so that a connection with a statement still running is not used again.
        let mut session = None;
        let look = async {
            let got = self.connection.get().await;
            let session = session.insert(got.map_err(|error| Error::Unreachable(error.into()))?);
            clocks::check(session, Utc::now()).await?;
            self.look_at_tables(session).await?;
            self.fitness.check(session).await
        };
        let found = timeout(deadlines::CONNECT, look)
            .await
            .unwrap_or(Err(Error::TimedOut { action: "look at the record" }));
        if let (Some(session), Err(_)) = (session, &found) {
            drop(Object::take(session));
        }
        found.and_then(|()| self.left_out.check())
    }

    /// Looks at the tables, unless they were fit a short while ago.
    async fn look_at_tables(&self, session: &Client) -> Result<(), Error> {
        let fit = || self.tables_fit.lock().unwrap_or_else(PoisonError::into_inner);
        if fit().is_some_and(|at| at.elapsed() < TABLES_LAST) {
            return Ok(());
        }
        *fit() = None;
        tables::check(session).await?;
        tables::check_statements(session, &self.statements).await?;
        *fit() = Some(Instant::now());
        Ok(())
    }
}
