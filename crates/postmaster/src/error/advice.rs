//! Remedies for failures that the system explains.

use std::error::Error as StdError;
use std::io;

use nix::errno::Errno;

use super::Error;

impl Error {
    /// The remedy, for those failures whose message ends with what the system said; the others say it themselves.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let source = StdError::source(self).and_then(|source| source.downcast_ref());
        if source.is_some_and(is_exhausted) {
            let advice = "raise the limits of this process (`ulimit -n` for open files), or end other programs";
            return Some(advice.to_owned());
        }
        Some(match self {
            Self::CannotSwitch { .. } => "a container or a user namespace may forbid it; run the service as an ordinary user \
                                          with a name, or set DATABASE_URL to a running PostgreSQL"
                .to_owned(),
            Self::NotWritable { directory, owner, ours, .. } if owner == ours => format!(
                "it belongs to that user: `chmod u+rwx {}` lets it be written, and --data-dir names another directory",
                directory.display()
            ),
            Self::NotWritable { directory, ours, .. } => format!(
                "run the service as the owner, or, as root, give it away with `chown -R {ours} {}`; --data-dir DIRECTORY begins \
                 another, empty record",
                directory.display()
            ),
            Self::NotCreated { .. } => {
                "start the service in a directory of yours, or name one with --data-dir".to_owned()
            }
            Self::Port { .. } => "--pg-port takes another port".to_owned(),
            _ => return None,
        })
    }
}

/// Whether this process lacks descriptors, memory or processes, so that what was tried says nothing of what is there.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let reason = error.raw_os_error().map(Errno::from_raw);
    matches!(reason, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EAGAIN))
}
