//! The store: connections to the record, and what is asked of all of them.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use domain::Causes;
use tokio::time::{Instant, sleep};

use crate::fitness::Fitness;
use crate::left_out::LeftOut;
use crate::readers::Readers;
use crate::statements::Statements;
use crate::unreadable::Unreadable;
use crate::{Database, Error, Probe, Writer, deadlines, session};

/// How many connections readers share: two for each core, within these bounds. Reading is light and writers have their own.
///
/// More make nothing faster where PostgreSQL has the same cores, and each has plans of its own for each partition, which push
/// those of the others out of the processor's caches.
const READERS: RangeInclusive<usize> = 4..=8;

/// How many batches can be written at once; more than two make each of them smaller and all of them dearer.
const WRITERS: usize = 2;

/// How many questions can be answered side by side, each with a connection of its own.
fn number_of_readers() -> usize {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    (2 * cores).clamp(*READERS.start(), *READERS.end())
}

/// The record: a pool of connections for reading, and the way to writers.
///
/// A clone is the same store. Connections are made when they are needed, so making a store needs no database.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    pub(crate) readers: Arc<Readers>,
    pub(crate) replica: Option<Arc<Readers>>,
    pub(crate) statements: Arc<Statements>,
    left_out: Arc<LeftOut>,
    pub(crate) unreadable: Arc<Unreadable>,
}

impl Store {
    /// The record in this database. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// Fails if the pool cannot be set up.
    pub fn new(database: Database) -> Result<Self, Error> {
        let readers = Arc::new(Readers::new(session::readers(&database, number_of_readers())?));
        let statements = Arc::new(Statements::compose(database.is_pooled()));
        let (left_out, unreadable) = Default::default();
        Ok(Self { database, readers, replica: None, statements, left_out, unreadable })
    }

    /// The same, reading from this replica as long as it answers.
    ///
    /// # Errors
    ///
    /// Fails if the pool cannot be set up.
    pub fn reading_from(self, replica: &Database) -> Result<Self, Error> {
        let readers = Readers::new(session::readers_of_replica(replica, number_of_readers())?);
        Ok(Self { replica: Some(Arc::new(readers)), ..self })
    }

    /// How many questions are answered side by side; more wait for their turn.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.readers.most()
    }

    /// Where the record is.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A writer with connections of its own, made when they are first needed.
    ///
    /// # Errors
    ///
    /// Fails if its pool cannot be set up.
    pub fn writer(&self) -> Result<Writer, Error> {
        let connections = session::writers(&self.database, WRITERS)?;
        let copies = !self.database.is_pooled();
        let (statements, left_out) = (Arc::clone(&self.statements), Arc::clone(&self.left_out));
        let fitness = Fitness::of(&self.database);
        Ok(Writer::new(connections, statements, copies, fitness, left_out))
    }

    /// Waits until the database can be reached, at most [`deadlines::START`].
    ///
    /// # Errors
    ///
    /// Fails at once with a reason that time does not heal (one with [advice](Error::advice)), else with the last reason if it
    /// cannot be reached in time, or if it is older than PostgreSQL 14.
    pub async fn wait_until_reachable(&self) -> Result<(), Error> {
        let give_up = Instant::now() + deadlines::START;
        let tell_at = Instant::now() + Duration::from_secs(1);
        let mut is_told = false;
        loop {
            match self.check_version().await {
                Err(error @ Error::Unreachable(_))
                    if error.advice(&self.database).is_none() && Instant::now() < give_up =>
                {
                    if !is_told && Instant::now() > tell_at {
                        tracing::info!("waiting for the database: {}", Causes(&error));
                        is_told = true;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
                done => return done,
            }
        }
    }

    async fn check_version(&self) -> Result<(), Error> {
        let action = "read the server's version";
        let row = self
            .readers
            .session()
            .await?
            .query_typed_one("select current_setting('server_version_num')::int, current_setting('server_version')", &[])
            .await
            .map_err(Error::query(action))?;
        let (number, name): (i32, String) = (row.get(0), row.get(1));
        if number < 140_000 { Err(Error::TooOld { found: name }) } else { Ok(()) }
    }

    /// A probe of the database, with a connection of its own that is made when it first looks.
    ///
    /// # Errors
    ///
    /// Fails if its pool cannot be set up.
    pub fn probe(&self) -> Result<Probe, Error> {
        Probe::of(&self.database, Arc::clone(&self.statements), Arc::clone(&self.left_out))
    }

    /// Closes every connection; what is asked of the store afterwards fails.
    pub fn close(&self) {
        self.readers.pool.close();
        if let Some(replica) = &self.replica {
            replica.pool.close();
        }
    }
}
