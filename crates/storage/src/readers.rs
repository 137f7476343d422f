//! Who reads, and where: on a replica if there is one that answers, else on the primary.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use domain::Causes;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::paging::Found;
use crate::parts::{Known, Parts};
use crate::reading::Question;
use crate::statements::Statements;
use crate::{Error, Store, deadlines};

/// For how long a replica is left alone that did not answer.
const REST: Duration = Duration::from_secs(5);

/// How many times partitions that changed meanwhile are looked at again, before the record is read as a whole.
const LOOKS: usize = 2;

/// Sessions for reading, and what is known of the partitions there.
#[derive(Debug)]
pub(crate) struct Readers {
    pub(crate) pool: Pool,
    /// A turn for each search: they hold half of the sessions at most, and leave the others to quick questions.
    searches: Semaphore,
    known: Known,
    rests_until: Mutex<Option<Instant>>,
}

impl Readers {
    pub(crate) fn new(pool: Pool) -> Self {
        let searches = Semaphore::new((pool.status().max_size / 2).max(1));
        Self { pool, searches, known: Known::default(), rests_until: Mutex::default() }
    }

    /// How many sessions there may be.
    pub(crate) fn most(&self) -> usize {
        self.pool.status().max_size
    }

    /// A session that works.
    pub(crate) async fn session(&self) -> Result<Object, Error> {
        self.pool.get().await.map_err(|error| Error::Unreachable(error.into()))
    }

    /// Asks in a session that is left where it is held.
    async fn answer(
        &self,
        held: &mut Option<Object>,
        statements: &Statements,
        question: &Question<'_>,
        until: Instant,
    ) -> Result<Found, Error> {
        // It is never closed.
        let _turn = if question.searches() { self.searches.acquire().await.ok() } else { None };
        let session = held.insert(self.session().await?);
        let rows = self.ask(session, statements, question, until).await;
        rows.map_err(Error::query(question.action()))
    }

    async fn ask(
        &self,
        session: &Object,
        statements: &Statements,
        question: &Question<'_>,
        until: Instant,
    ) -> Result<Found, tokio_postgres::Error> {
        for _ in 0..LOOKS {
            let parts = self.parts(session, statements).await?;
            match question.ask(session, statements, Some(&parts), until).await {
                Ok(Some(rows)) => return Ok(rows),
                Ok(None) => {}
                // A partition has been dropped, or this user may not read it but through the whole.
                Err(error) if is_about_a_partition(&error) => {}
                Err(error) => return Err(error),
            }
            self.known.set(None);
        }
        Ok(question.ask(session, statements, None, until).await?.unwrap_or_default())
    }

    async fn parts(
        &self,
        session: &Object,
        statements: &Statements,
    ) -> Result<Arc<Parts>, tokio_postgres::Error> {
        if let Some(parts) = self.known.get() {
            return Ok(parts);
        }
        let parts = Arc::new(Parts::look(session, statements).await?);
        self.known.set(Some(Arc::clone(&parts)));
        Ok(parts)
    }

    fn rests(&self) -> bool {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self) {
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Instant::now() + REST);
    }
}

impl Store {
    /// Asks where it is best.
    pub(crate) async fn read(&self, question: &Question<'_>) -> Result<Found, Error> {
        if let Some(replica) = self.replica.as_deref()
            && !replica.rests()
        {
            // Half of the time is left for the primary.
            match self.read_on(replica, deadlines::READ / 2, question).await {
                Err(error) if error.is_about_encoding() => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        error = %Causes(&error),
                        "the replica is not read for {REST:?}"
                    );
                    replica.rest();
                }
                rows => return rows,
            }
        }
        self.read_primary(question).await
    }

    /// Asks the primary.
    pub(crate) async fn read_primary(&self, question: &Question<'_>) -> Result<Found, Error> {
        self.read_on(&self.readers, deadlines::READ, question).await
    }

    async fn read_on(
        &self,
        readers: &Readers,
        deadline: Duration,
        question: &Question<'_>,
    ) -> Result<Found, Error> {
        // Held outside of the deadline, so that a connection with a statement still running is not used again.
        let mut session = None;
        let until = Instant::now() + deadline * 2 / 3;
        let answer = readers.answer(&mut session, &self.statements, question, until);
        let rows = timeout(deadline, answer)
            .await
            .unwrap_or(Err(Error::TimedOut { action: question.action() }));

        if let (Some(session), Err(error)) = (session, &rows)
            && !error.is_about_encoding()
        {
            drop(Object::take(session));
        }
        rows
    }
}

fn is_about_a_partition(error: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::SqlState;
    let about = [SqlState::UNDEFINED_TABLE, SqlState::INSUFFICIENT_PRIVILEGE];
    error.code().is_some_and(|code| about.contains(code))
}
