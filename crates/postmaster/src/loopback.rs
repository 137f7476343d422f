//! The way in for tools that know no Unix socket: a TCP port on loopback, and a password.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::cluster::Cluster;
use crate::creation::NAME;
use crate::random::random_hex;
use crate::run::run;
use crate::socket::PORT;
use crate::stop::Stop;
use crate::{Error, whole};

/// The address that PostgreSQL listens on.
pub(crate) const ADDRESS: &str = "127.0.0.1";

/// The rules of admission: the service, at the socket, needs no password; a tool, at the port, does.
const ADMISSION: &str = "\
# Written anew at each start with --pg-port.
local all all trust
host all all 127.0.0.1/32 scram-sha-256
";

/// PostgreSQL's TCP port for this machine's tools. The password of the user of [`Postmaster::user`](crate::Postmaster::user) is in
/// a file that only the user of the service can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loopback {
    port: u16,
    password: PathBuf,
    admission: PathBuf,
}

impl Loopback {
    /// The way in at this port, for the cluster that is in `place`.
    pub(crate) fn at(port: u16, data_dir: &Path, place: &Path) -> Self {
        Self { port, password: data_dir.join("password"), admission: place.join("pg_hba.conf") }
    }

    /// The address to connect to.
    #[must_use]
    pub fn address(&self) -> &'static str {
        ADDRESS
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file that holds the password, and nothing else.
    #[must_use]
    pub fn password_file(&self) -> &Path {
        &self.password
    }

    /// The file that says to PostgreSQL who is let in, and how.
    pub(crate) fn admission(&self) -> &Path {
        &self.admission
    }

    /// Makes what PostgreSQL needs to be started with that port: it does not run yet.
    ///
    /// The password is set only if its file is not there: by PostgreSQL's single-user mode, as nobody can connect yet.
    pub(crate) fn prepare(&self, cluster: &Cluster, stop: &Stop) -> Result<(), Error> {
        check_free(self.port)?;
        whole::write(&self.admission, ADMISSION.as_bytes(), 0o644)?;
        match fs::symlink_metadata(&self.password) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.set_password(cluster, stop),
            _ => Ok(()),
        }
    }

    fn set_password(&self, cluster: &Cluster, stop: &Stop) -> Result<(), Error> {
        let password = random_hex()?;
        let postgres = cluster.programs.path("postgres");
        // A statement that fails is not put into the log, as it holds the password.
        let settings =
            ["--single", "-c", "log_statement=none", "-c", "log_min_error_statement=panic"];
        let mut arguments: Vec<_> = settings.map(AsRef::as_ref).into();
        arguments.extend(["-D".as_ref(), cluster.directory.as_os_str(), "postgres".as_ref()]);
        let statement = format!("alter role {NAME} password '{password}'\n");
        run(&cluster.account, &postgres, &arguments, &statement, stop)?;
        whole::write(&self.password, format!("{password}\n").as_bytes(), 0o600)
    }
}

/// The number in the name of the socket: that of the port if there is one, as PostgreSQL has one for both.
pub(crate) fn number(loopback: Option<&Loopback>) -> u16 {
    loopback.map_or(PORT, Loopback::port)
}

/// Fails if PostgreSQL could not listen on this port now.
pub(crate) fn check_free(port: u16) -> Result<(), Error> {
    TcpListener::bind((ADDRESS, port)).map(drop).map_err(|source| Error::Port { port, source })
}
