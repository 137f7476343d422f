//! What can go wrong with the record.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::Cause;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the database cannot be read.
    #[error("the address of the database is not valid")]
    InvalidAddress(#[source] Cause),

    /// One of libpq's variables asks for something that is not done here.
    #[error("{name} cannot be followed")]
    Variable {
        /// The variable.
        name: &'static str,
        /// The advice for doing without it.
        #[source]
        reason: Cause,
    },

    /// What is said of TLS cannot be followed.
    #[error("TLS to the database is impossible: {problem}")]
    Tls {
        /// What stands in the way.
        problem: String,
    },

    /// The pool could not be made.
    #[error("failed to set up the connection pool")]
    Pool(#[source] Cause),

    /// No connection became free in time, or the server refused one.
    #[error(
        "{}",
        if .0.sql_state().is_some() { "the database refuses connections" } else { "the database is unreachable" }
    )]
    Unreachable(#[source] Cause),

    /// The server is too old.
    #[error("the database is PostgreSQL {found}, but 14 or newer is needed")]
    TooOld {
        /// The server's version.
        found: String,
    },

    /// The database must not keep the record as it is: a commit would not last, or could not be written.
    #[error("the database is not fit to keep the record: {misfits}")]
    Unfit {
        /// What is wrong with it.
        misfits: String,
    },

    /// Two addresses that must lead to the same database do not.
    #[error(
        "MAINTENANCE_DATABASE_URL leads to another database ({other}) than DATABASE_URL ({database}); both must name the same one"
    )]
    OtherDatabase {
        /// The one that was to be the same.
        other: String,
        /// The database.
        database: String,
    },

    /// It is not clear which schema holds the record, or there is none that could.
    #[error("it is not clear where the record is to be: {reason}")]
    NoSchema {
        /// The findings, and the remedy.
        reason: String,
    },

    /// The database took a batch without an error, but wrote fewer rows than were sent. Nothing of it was committed.
    #[error(
        "the database leaves out rows that it is sent, so nothing of their batch was committed; look for triggers and rules on its tables"
    )]
    LeftOut,

    /// The database did not answer in time.
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
        source: Cause,
    },

    /// A write was sent, and then the connection was lost or the time ran out: it may have been committed or not.
    #[error("the write was not confirmed")]
    InDoubt(#[source] Box<Self>),

    /// The schema could not be brought up to date.
    #[error("failed to bring the tables of the record up to date")]
    Migration(#[source] Cause),

    /// The clocks of this machine and of the database's are far apart, so it is not known what is old, what comes next, or when a
    /// prediction was made.
    #[error(
        "the time is {ours} here but {theirs} at the database; set the clock that is wrong: until then no partition is made or dropped, and this service is not ready"
    )]
    ClocksApart {
        /// This machine's time.
        ours: DateTime<Utc>,
        /// The database's.
        theirs: DateTime<Utc>,
    },

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
    /// Makes the error of this action out of what a library said.
    pub(crate) fn query<E: Into<Cause>>(action: &'static str) -> impl Fn(E) -> Self + Copy {
        move |source| Self::Query { action, source: source.into() }
    }

    /// Whether the data themselves were refused (SQLSTATE classes 22 and 23), so that trying again cannot help.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        let Self::Query { source, .. } = self else { return false };
        let class = source.sql_state().and_then(|state| state.get(..2));
        matches!(class, Some("22" | "23")) && !source.is_misrouted()
    }

    /// Whether a row was on its way to a partition that does not take it any more, as another one was made for it: a new
    /// statement finds that.
    pub(crate) fn is_misrouted(&self) -> bool {
        matches!(self, Self::Query { source, .. } if source.is_misrouted())
    }

    /// Whether the tables are not those that this program knows, or it may not use them (SQLSTATE class 42): somebody has to
    /// change something, so trying again cannot help.
    #[must_use]
    pub fn is_misfit(&self) -> bool {
        self.sql_state().is_some_and(|state| state.starts_with("42"))
    }

    /// Whether a text cannot be said in the encoding of the database, so that no row can hold it.
    pub(crate) fn is_about_encoding(&self) -> bool {
        matches!(self.sql_state(), Some("22021" | "22P05"))
    }

    /// Whether the user may not do it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.sql_state() == Some("42501")
    }

    /// Whether somebody held a table for too long.
    #[must_use]
    pub fn is_locked_out(&self) -> bool {
        self.sql_state() == Some("55P03")
    }

    fn sql_state(&self) -> Option<&str> {
        let Self::Query { source, .. } = self else { return None };
        source.sql_state()
    }

    /// What the server or the network said, whatever was being done.
    pub(crate) fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Query { source, .. } => Some(source),
            Self::Unreachable(cause) | Self::Migration(cause) => Some(cause),
            _ => None,
        }
    }

    /// Whether the connection is gone, so that nothing else can be done over it.
    pub(crate) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Query { source, .. } if source.is_lost_connection())
    }

    /// Whether something was sent that may have been committed or not.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::InDoubt(_))
    }

    /// This error of a write that was sent.
    pub(crate) fn of_sent_write(self) -> Self {
        let in_doubt = match &self {
            Self::TimedOut { .. } => true,
            other => other.is_lost_connection(),
        };
        if in_doubt { Self::InDoubt(Box::new(self)) } else { self }
    }

    /// Whether the stored data, not the database's availability, is at fault.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}
