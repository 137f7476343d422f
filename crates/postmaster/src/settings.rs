//! What the caller decides.

use std::path::PathBuf;

/// Where the private PostgreSQL lives, and with which programs it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The data directory; created if absent.
    pub data_dir: PathBuf,
    /// The directory of `initdb` and `postgres`; `None` searches `PATH` and the usual places.
    ///
    /// A directory given here is the only one looked into.
    pub programs: Option<PathBuf>,
}
