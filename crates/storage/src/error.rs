//! What can go wrong with the record.

use tokio_postgres::error::SqlState;
use uuid::Uuid;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the database cannot be read.
    #[error("the address of the database is not valid")]
    InvalidAddress(#[source] tokio_postgres::Error),

    /// The pool could not be made.
    #[error("failed to set up the connection pool")]
    Pool(#[source] deadpool_postgres::BuildError),

    /// No connection became free in time, or the server refused one.
    #[error("the database is unreachable")]
    Unreachable(#[source] deadpool_postgres::PoolError),

    /// The server refused the connection on which the schema is to be migrated.
    #[error("failed to connect to the database")]
    Connect(#[source] tokio_postgres::Error),

    /// The server is too old.
    #[error("the database is PostgreSQL {found}, but 14 or newer is needed")]
    TooOld {
        /// The server's version.
        found: String,
    },

    /// The database did not answer in time. A write may still have been committed.
    #[error("the database took too long to {action}")]
    TimedOut {
        /// What was being done, as an infinitive.
        action: &'static str,
    },

    /// The database refused a statement, or the connection was lost.
    #[error("failed to {action}")]
    Query {
        /// What was being done, as an infinitive.
        action: &'static str,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },

    /// The schema could not be brought up to date.
    #[error("failed to migrate the schema")]
    Migration(#[source] refinery::Error),

    /// A stored row is none that this service can have written.
    #[error("the record {id} is not readable: its {column} does not fit")]
    Unreadable {
        /// The row.
        id: Uuid,
        /// The column that does not fit.
        column: &'static str,
    },
}

impl Error {
    /// Whether the data itself were refused (SQLSTATE classes 22 and 23), so that trying again cannot help.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.sql_state().is_some_and(|state| matches!(state.code().get(..2), Some("22" | "23")))
    }

    /// Whether the connection went away under a statement: it may have been carried out or not.
    #[must_use]
    pub fn is_lost_connection(&self) -> bool {
        let Self::Query { source, .. } = self else { return false };
        source.is_closed()
            || source.code().is_none()
            || matches!(
                source.code(),
                Some(
                    &SqlState::ADMIN_SHUTDOWN
                        | &SqlState::CRASH_SHUTDOWN
                        | &SqlState::CANNOT_CONNECT_NOW
                )
            )
    }

    /// Whether the stored data, not the database's availability, is at fault.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }

    fn sql_state(&self) -> Option<&SqlState> {
        match self {
            Self::Query { source, .. } | Self::Connect(source) => source.code(),
            Self::Unreachable(deadpool_postgres::PoolError::Backend(source)) => source.code(),
            Self::InvalidAddress(_)
            | Self::Pool(_)
            | Self::Unreachable(_)
            | Self::TooOld { .. }
            | Self::TimedOut { .. }
            | Self::Migration(_)
            | Self::Unreadable { .. } => None,
        }
    }
}
