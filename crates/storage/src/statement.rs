//! A statement, and how it is sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use deadpool_postgres::{Object, StatementCache};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

/// A statement with the types of its parameters.
#[derive(Debug)]
pub(crate) struct Statement {
    text: String,
    types: Vec<Type>,
    /// The sessions that have it prepared; nothing where it is sent whole each time, as behind a pooler, where the next statement
    /// may come to another session.
    prepared: Option<Prepared>,
}

impl Statement {
    pub(crate) fn new(text: impl Into<String>, types: Vec<Type>, kept: bool) -> Self {
        Self { text: text.into(), types, prepared: kept.then(Prepared::default) }
    }

    /// Sends it to the server to be parsed, and does not carry it out. Behind a pooler this does nothing, as the statement would
    /// stay in the session of somebody else.
    pub(crate) async fn read_by(&self, session: &Client) -> Result<(), Error> {
        if self.prepared.is_some() {
            session.prepare_typed(&self.text, &self.types).await?;
        }
        Ok(())
    }

    /// Carries it out, and gives the rows that it returns.
    pub(crate) async fn query(
        &self,
        session: &Object,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let Some(prepared) = &self.prepared else {
            let types = self.types.iter().cloned();
            let typed: Vec<_> = parameters.iter().copied().zip(types).collect();
            return session.query_typed(&self.text, &typed).await;
        };
        let statement = match prepared.by(session) {
            Some(statement) => statement,
            None => {
                let statement = session.prepare_typed(&self.text, &self.types).await?;
                prepared.keep(session, &statement);
                statement
            }
        };
        session.query(&statement, parameters).await
    }
}

/// A statement as the sessions of a pool have prepared it.
///
/// A session is told from others by the cache that the pool gave it. The cache itself is not used: it finds a statement by its
/// whole text, which took 5 % of the instructions of a prediction.
#[derive(Debug, Default)]
struct Prepared(Mutex<Vec<(Weak<StatementCache>, tokio_postgres::Statement)>>);

impl Prepared {
    /// The statement as this session has prepared it, if it has.
    fn by(&self, session: &Object) -> Option<tokio_postgres::Statement> {
        let cache = Arc::as_ptr(&session.statement_cache);
        let list = self.list();
        list.iter().find(|(of, _)| of.as_ptr() == cache).map(|(_, statement)| statement.clone())
    }

    /// Keeps what this session has prepared, and forgets what sessions had that have ended.
    fn keep(&self, session: &Object, statement: &tokio_postgres::Statement) {
        let mut list = self.list();
        list.retain(|(of, _)| of.strong_count() > 0);
        list.push((Arc::downgrade(&session.statement_cache), statement.clone()));
    }

    fn list(&self) -> MutexGuard<'_, Vec<(Weak<StatementCache>, tokio_postgres::Statement)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
