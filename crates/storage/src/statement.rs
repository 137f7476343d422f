//! A statement, and how it is sent.

use deadpool_postgres::Object;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

/// A statement with the types of its parameters.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    text: String,
    types: Vec<Type>,
    /// Whether each session keeps it prepared. Behind a pooler the next statement may come to another session, so there it
    /// is sent whole each time.
    kept: bool,
}

impl Statement {
    pub(crate) fn new(text: impl Into<String>, types: Vec<Type>, kept: bool) -> Self {
        Self { text: text.into(), types, kept }
    }

    /// Sends it to the server to be parsed, and does not carry it out. Behind a pooler this does nothing, as the statement would
    /// stay in the session of somebody else.
    pub(crate) async fn read_by(&self, session: &Client) -> Result<(), Error> {
        if self.kept {
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
        if self.kept {
            let prepared = session.prepare_typed_cached(&self.text, &self.types).await?;
            session.query(&prepared, parameters).await
        } else {
            let types = self.types.iter().cloned();
            let typed: Vec<_> = parameters.iter().copied().zip(types).collect();
            session.query_typed(&self.text, &typed).await
        }
    }
}
