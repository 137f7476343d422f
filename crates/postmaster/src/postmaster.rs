//! The running, supervised PostgreSQL.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crate::beginning::Beginning;
use crate::cluster::Cluster;
use crate::creation::NAME;
use crate::lock::Lock;
use crate::loopback::{self, Loopback};
use crate::{Error, Settings, Stop, directory, watch};

/// A private PostgreSQL, kept running until it is stopped or dropped.
#[derive(Debug)]
pub struct Postmaster {
    cluster_dir: PathBuf,
    socket_dir: PathBuf,
    runs_as: u32,
    psql: Option<String>,
    loopback: Option<Loopback>,
    stop: Stop,
    /// Taken by whoever stops it first.
    watcher: Option<JoinHandle<Result<(), Error>>>,
    /// Dropped last.
    _lock: Lock,
}

impl Postmaster {
    /// Starts the PostgreSQL of a data directory, creating it first if need be.
    ///
    /// Returns when it accepts connections, however long recovery takes, unless `stop` is wished before: that calls the
    /// start off, and ends what it has begun. Wished later, it stops PostgreSQL. Blocks: from an async
    /// runtime, call it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// Fails if the data directory is another user's, or another service holds it, if this machine has no suitable PostgreSQL,
    /// if PostgreSQL cannot be created or started there, or if the start is called off.
    pub fn start(settings: &Settings, stop: &Stop) -> Result<Self, Error> {
        let beginning = Beginning::look(&settings.data_dir);
        let data_dir = directory::prepare(&settings.data_dir)?;
        let lock = Lock::take(&data_dir)?;
        let cluster = Cluster::open(&data_dir, &lock, settings, stop)
            .inspect_err(|_| beginning.take_back(&data_dir))?;
        let server = watch::start(&cluster, stop)?;

        let cluster_dir = cluster.directory.clone();
        let socket_dir = cluster.socket_dir.clone();
        let runs_as = cluster.account.uid();
        let psql = cluster.programs.psql(env::var_os("PATH").as_deref());
        let loopback = cluster.loopback.clone();
        let theirs = stop.clone();
        let watcher = thread::Builder::new()
            .name("postmaster".to_owned())
            .spawn(move || watch::watch(&cluster, server, &theirs))
            .map_err(Error::Thread)?;
        let (stop, watcher) = (stop.clone(), Some(watcher));
        Ok(Self { cluster_dir, socket_dir, runs_as, psql, loopback, stop, watcher, _lock: lock })
    }

    /// The directory of PostgreSQL's files, which it calls its data directory.
    #[must_use]
    pub fn cluster_dir(&self) -> &Path {
        &self.cluster_dir
    }

    /// The directory of the Unix socket: what a client calls the host. It needs no quoting anywhere.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The port, which for a Unix socket is a part of its name.
    #[must_use]
    pub fn port(&self) -> u16 {
        loopback::number(self.loopback.as_ref())
    }

    /// The TCP port for tools, if the settings ask for one.
    #[must_use]
    pub fn loopback(&self) -> Option<&Loopback> {
        self.loopback.as_ref()
    }

    /// The user to connect as; at the socket there is no password.
    #[must_use]
    pub fn user(&self) -> &str {
        NAME
    }

    /// The number of the user who runs it, and who alone may answer at the socket.
    #[must_use]
    pub fn runs_as(&self) -> u32 {
        self.runs_as
    }

    /// The database to connect to.
    #[must_use]
    pub fn database(&self) -> &str {
        NAME
    }

    /// A command that opens this database in a terminal, as pasted.
    #[must_use]
    pub fn psql(&self) -> String {
        let (psql, host) = (self.psql.as_deref().unwrap_or("psql"), self.socket_dir.display());
        let port = self.port();
        format!("{psql} 'host={host} port={port} user={NAME} dbname={NAME}'")
    }

    /// Whether that command is on this machine: some packages of PostgreSQL do not hold it.
    #[must_use]
    pub fn has_psql(&self) -> bool {
        self.psql.is_some()
    }

    /// Stops PostgreSQL, cleanly if it can be done in ten seconds, and waits for its end.
    ///
    /// Clients are cut off: close them first.
    ///
    /// # Errors
    ///
    /// Fails if PostgreSQL could not be told to stop, or its end not be awaited.
    pub fn stop(mut self) -> Result<(), Error> {
        self.halt()
    }

    fn halt(&mut self) -> Result<(), Error> {
        let Some(watcher) = self.watcher.take() else { return Ok(()) };
        self.stop.wish();
        let outcome = watcher.join().map_err(|_| Error::Panicked)?;
        if !self.socket_dir.starts_with(self.cluster_dir.parent().unwrap_or(&self.cluster_dir)) {
            // The one in `/tmp`; whatever keeps it there, the next start finds it.
            let _ = fs::remove_dir(&self.socket_dir);
        }
        outcome
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        if let Err(error) = self.halt() {
            tracing::warn!("failed to stop PostgreSQL: {error}");
        }
    }
}
