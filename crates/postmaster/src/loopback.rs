//! The way in for tools that know no Unix socket: a TCP port on loopback, and a password.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::cluster::Cluster;
use crate::creation::NAME;
use crate::random::random_hex;
use crate::run::run;
use crate::stop::Stop;

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
        let port = self.port;
        TcpListener::bind((ADDRESS, port)).map_err(|source| Error::Port { port, source })?;
        replace(&self.admission, ADMISSION, 0o644)
            .map_err(Error::file("write", &self.admission))?;
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
        replace(&self.password, &format!("{password}\n"), 0o600)
            .map_err(Error::file("write", &self.password))
    }
}

/// Writes a file with these permissions; until it is complete, the one before stands.
fn replace(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file: File =
        options.write(true).create(true).truncate(true).mode(mode).open(&unfinished)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}
