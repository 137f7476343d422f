//! What the database's libraries said, in words that are fit for a log.

use std::error::Error as StdError;
use std::fmt;

use deadpool_postgres::{BuildError, HookError, PoolError, TimeoutType};
use refinery::error::Kind;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// The reason behind an [`Error`](crate::Error).
///
/// It has the severity, SQLSTATE and message of a refusal by the server, but not its DETAIL, which quotes the
/// row that was refused: what users send belongs into the record and not into the log.
#[derive(Debug, Default)]
pub struct Cause {
    words: String,
    sql_state: Option<SqlState>,
    /// Whether the connection is gone, or the server ends it with this.
    closed: bool,
    /// Whether a row came to a partition that did not take it any more: one had been made for it meanwhile.
    misrouted: bool,
}

impl Cause {
    /// The five characters with which PostgreSQL names the reason, if it was the server that refused.
    #[must_use]
    pub fn sql_state(&self) -> Option<&str> {
        self.sql_state.as_ref().map(SqlState::code)
    }

    /// Whether the connection is gone: closed, or being closed by a server that stops, or that panics because it cannot
    /// flush what it has just written, and finds it when it has recovered. Whatever was sent may then have been carried
    /// out; after any other refusal by the server it was not.
    pub(crate) fn is_lost_connection(&self) -> bool {
        let stopping = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN,
        ];
        let lost = |state: &SqlState| stopping.contains(state) || state.code().starts_with("08");
        self.closed || self.sql_state.as_ref().is_none_or(lost)
    }

    pub(crate) fn is_misrouted(&self) -> bool {
        self.misrouted
    }

    /// A reason of our own.
    pub(crate) fn of_words(words: impl Into<String>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }

    fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut cause = Self::default();
        let mut link = Some(error);
        while let Some(error) = link {
            if let Some(refusal) = error.downcast_ref::<DbError>() {
                let code = refusal.code();
                cause.add(&format!(
                    "{} {}: {}",
                    refusal.severity(),
                    code.code(),
                    refusal.message()
                ));
                cause.sql_state = Some(code.clone());
                // A check of a table has a name, that of a partition's bounds has none.
                cause.misrouted |=
                    *code == SqlState::CHECK_VIOLATION && refusal.constraint().is_none();
                let severity = refusal.parsed_severity();
                cause.closed |= matches!(severity, Some(Severity::Fatal | Severity::Panic));
            } else if let Some(error) = error.downcast_ref::<tokio_postgres::Error>() {
                cause.closed |= error.is_closed();
                if error.as_db_error().is_none() {
                    cause.add(&error.to_string());
                }
            } else {
                cause.add(&error.to_string());
            }
            link = error.source();
        }
        cause
    }

    fn add(&mut self, words: &str) {
        if !self.words.is_empty() {
            self.words.push_str(": ");
        }
        self.words.push_str(words);
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl StdError for Cause {}

impl From<tokio_postgres::Error> for Cause {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::of(&error)
    }
}

impl From<PoolError> for Cause {
    fn from(error: PoolError) -> Self {
        let words = match error {
            PoolError::Backend(error) => return error.into(),
            PoolError::Timeout(TimeoutType::Wait) => "no connection became free in time",
            PoolError::Timeout(TimeoutType::Create) => "connecting took too long",
            PoolError::Timeout(TimeoutType::Recycle) => "the connection did not answer in time",
            PoolError::Closed => "the connections have been closed",
            PoolError::PostCreateHook(HookError::Backend(error)) => return error.into(),
            PoolError::PostCreateHook(HookError::Message(words)) => {
                return Self { words: words.into_owned(), ..Self::default() };
            }
            other @ PoolError::NoRuntimeSpecified => return Self::of(&other),
        };
        Self { words: words.to_owned(), ..Self::default() }
    }
}

impl From<BuildError> for Cause {
    fn from(error: BuildError) -> Self {
        Self::of(&error)
    }
}

impl From<refinery::Error> for Cause {
    fn from(error: refinery::Error) -> Self {
        match error.kind() {
            // Its own words would say twice what the server said; they are worth it if they name a migration.
            Kind::Connection(words, refusal) => {
                let mut cause = Self::of(refusal.as_ref());
                if words.contains("applying migration") {
                    cause.words = format!("{words}: {}", cause.words);
                }
                cause
            }
            _ => Self::of(&error),
        }
    }
}
