//! What can go wrong with the spool.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the spool could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no room, by [`Limits`](crate::Limits) or because the disk is full. Nothing was kept, or changed.
    #[error("the spool is full")]
    Full,

    /// The disk failed while this was done: it may have happened or not. From now on the spool takes nothing.
    #[error("failed to {action}")]
    Failed {
        /// What was attempted.
        action: &'static str,
        /// What SQLite said.
        #[source]
        source: Cause,
    },

    /// The disk has failed before. Nothing was kept, and nothing will be until the spool is opened anew.
    #[error("the spool takes nothing since its disk has failed")]
    Poisoned(#[source] Cause),

    /// The spool is closed, or its thread has panicked. What was asked for may have happened or not.
    #[error("the spool has stopped")]
    Stopped,

    /// Another process, or another spool of this process, holds the directory.
    #[error(
        "the spool {} is in use by another process{}",
        directory.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The holder, if it could be read.
        pid: Option<u32>,
    },

    /// The directory belongs to somebody else.
    #[error(
        "the spool {} belongs to user id {owner}, who can replace what is in it, and this process runs as user id \
         {ours}; choose a directory of this user",
        directory.display()
    )]
    ForeignDirectory {
        /// The directory.
        directory: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        ours: u32,
    },

    /// Everybody can write in the directory.
    #[error(
        "everybody can write in the spool {0}; after a look at what is in it, take that away with `chmod go-w {0}`, \
         or choose another directory",
        directory.display()
    )]
    OpenDirectory {
        /// The directory.
        directory: PathBuf,
    },

    /// An earlier version and this one have each begun a spool there.
    #[error(
        "there are two spools, in {} and in {own}; start once with {own} as the spool directory, remove it when the \
         service has brought what is in it to the database, and start again with the former",
        directory.display(),
        own = own.display()
    )]
    TwoSpools {
        /// The directory, which holds one by itself.
        directory: PathBuf,
        /// The one in it that holds another.
        own: PathBuf,
    },

    /// A file or directory could not be used.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },

    /// The database in the directory could not be opened, for another reason than damage.
    #[error("failed to open the spool {}", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Cause,
    },

    /// The system gave us no thread.
    #[error("failed to start a thread")]
    Thread(#[source] Arc<io::Error>),
}

impl Error {
    /// Whether what was asked for may have happened all the same.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Stopped)
    }

    /// A failure to do `action` to the file or directory `path`.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source: Arc::new(source) }
    }

    /// A failure to open the database `path`.
    pub(crate) fn open(path: impl Into<PathBuf>) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.into();
        move |error| Self::Open { path, source: error.into() }
    }
}

/// What SQLite said. It is shared, because one failure can concern everything that was written together.
#[derive(Debug, Clone)]
pub struct Cause(Arc<rusqlite::Error>);

impl From<rusqlite::Error> for Cause {
    fn from(error: rusqlite::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
