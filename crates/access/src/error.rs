//! What can go wrong with keys.

use std::io;
use std::path::PathBuf;

/// Why the keys could not be read or changed. None of it names a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be used.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// The key file is something else than one: a directory, a pipe, or far too large.
    #[error("{} is not a file of at most {} KiB", path.display(), limit >> 10)]
    NotAKeyFile {
        /// The path.
        path: PathBuf,
        /// The largest size, in bytes.
        limit: u64,
    },

    /// Others than root and this user can change what the keys are read from, and so let themselves in.
    #[error("{} is not safe to read keys from: {problem}", path.display())]
    Untrusted {
        /// The key file, or a directory or link on the way to it.
        path: PathBuf,
        /// The fault, and what to do about it.
        problem: String,
    },

    /// Another process holds the lock of those who change the key file.
    #[error(
        "another process has held the lock {} for {} s, so nothing was changed; `fuser {}` names the process. Without \
         the lock, edit {}: a key counts no more once its table has a line like revoked = \"2026-01-31T12:00:00Z\"",
        path.display(), crate::lock::PATIENCE.as_secs(), path.display(), keys.display()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The key file.
        keys: PathBuf,
    },

    /// Something in the key file is not as it must be.
    #[error("{}, line {line}: {what}", path.display())]
    Misfit {
        /// The key file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong there; it never quotes the file.
        what: String,
    },

    /// The key file is not read in time.
    #[error("{} is not read in time", path.display())]
    Slow {
        /// The key file.
        path: PathBuf,
    },

    /// The task that looks at the key file has ended or panicked.
    #[error("nothing looks at {} at the moment", path.display())]
    Unwatched {
        /// The key file.
        path: PathBuf,
    },

    /// There is no key of this id in the file.
    #[error("there is no key {id} in {}", path.display())]
    NoSuchKey {
        /// What was asked for.
        id: crate::KeyId,
        /// The key file.
        path: PathBuf,
    },

    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[source] rand::rand_core::OsError),
}

impl Error {
    /// The refusal of a file or directory that others than its owner may write to.
    pub(crate) fn open_to_others(path: &std::path::Path) -> Self {
        let problem = format!(
            "others than its owner can write to it, and so let themselves in; chmod go-w {}",
            path.display()
        );
        Self::Untrusted { path: path.to_owned(), problem }
    }

    /// A failure to do `action` to the file or directory `path`.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
