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
    /// A failure to do `action` to the file or directory `path`.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
