//! Where the database is.

use std::fmt;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::connector::Connector;
use crate::tls::Mode;
use crate::{Cause, Error, TlsParameters, address};

/// Where the database is and who connects to it. Its `Display` and `Debug` leave the password out.
#[derive(Clone)]
pub struct Database {
    pub(crate) config: Config,
    pub(crate) connector: Connector,
    /// How far the server is verified.
    verified: Option<&'static str>,
    pooled: bool,
}

impl Database {
    /// The database at a URL, `postgresql://user:password@host:port/name`, or in libpq's `key=value` form. What it does not
    /// say of TLS is said by `tls`.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a valid address, or TLS is impossible as it says.
    pub fn from_url(url: &str, tls: &TlsParameters) -> Result<Self, Error> {
        let (rest, said) = address::split(url).map_err(Error::InvalidAddress)?;
        let config: Config = rest
            .parse()
            .map_err(|error: tokio_postgres::Error| Error::InvalidAddress(error.into()))?;
        if config.get_ssl_mode() != Config::new().get_ssl_mode() {
            return Err(Error::InvalidAddress(Cause::of_words(
                "sslmode cannot be told from the password: / and ? in it must be written as %2F and %3F",
            )));
        }
        Self::plain(config).encrypted(&said.or(tls))
    }

    /// The database given by its parts, each as in libpq's `PGHOST`, `PGPORT` and so on; what is missing has
    /// libpq's default. A host that starts with `/` is the directory of a Unix socket. Connections are not encrypted until
    /// it is [said](Self::encrypted) how.
    #[must_use]
    pub fn from_parts(
        host: Option<&str>,
        port: Option<u16>,
        user: Option<&str>,
        password: Option<&str>,
        name: Option<&str>,
    ) -> Self {
        let mut config = Config::new();
        if let Some(host) = host {
            config.host(host);
        }
        if let Some(port) = port {
            config.port(port);
        }
        if let Some(user) = user {
            config.user(user);
        }
        if let Some(password) = password {
            config.password(password);
        }
        if let Some(name) = name {
            config.dbname(name);
        }
        Self::plain(config)
    }

    /// The same behind a pooler that gives each transaction another session, such as PgBouncer in transaction mode.
    ///
    /// Then nothing is kept in a session: no prepared statements, no settings.
    #[must_use]
    pub fn behind_pooler(self) -> Self {
        Self { pooled: true, ..self }
    }

    /// Whether it is behind such a pooler.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.pooled
    }

    /// The same database, connections to which are encrypted as this says. Those over a Unix socket never are.
    ///
    /// # Errors
    ///
    /// Fails if TLS is impossible as it is said to be: a mode that there is not, a file that cannot be read.
    pub fn encrypted(mut self, tls: &TlsParameters) -> Result<Self, Error> {
        let mode = tls.mode()?;
        if mode == Mode::Disable || self.config.get_hosts().iter().all(is_local) {
            return Ok(self);
        }
        let preferred = mode == Mode::Prefer;
        self.config.ssl_mode(if preferred { SslMode::Prefer } else { SslMode::Require });
        self.connector = Connector::new(tls.client(mode)?);
        self.verified = mode.verified();
        Ok(self)
    }

    fn plain(mut config: Config) -> Self {
        config.ssl_mode(SslMode::Disable);
        let connector = Connector::default();
        Self { config, connector, verified: None, pooled: false }.completed()
    }

    /// Fills in libpq's defaults, which tokio-postgres does not know: the host; the name is that of the user. A host that is
    /// only an address is called by that, as TLS needs a name.
    fn completed(mut self) -> Self {
        if self.config.get_hosts().is_empty() {
            for address in self.config.get_hostaddrs().to_owned() {
                self.config.host(address.to_string());
            }
        }
        if self.config.get_hosts().is_empty() {
            self.config.host("localhost");
        }
        if self.config.get_dbname().is_none()
            && let Some(user) = self.config.get_user().map(ToOwned::to_owned)
        {
            self.config.dbname(user);
        }
        self
    }
}

/// Whether it is reached by a Unix socket.
fn is_local(host: &Host) -> bool {
    !matches!(host, Host::Tcp(_))
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hosts: Vec<_> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        hosts.extend(self.config.get_hostaddrs().iter().map(ToString::to_string));
        // An address that is its own name is said once.
        hosts.dedup();
        write!(f, "{}", hosts.join(","))?;
        if let Some(port) = self.config.get_ports().first() {
            write!(f, " port {port}")?;
        }
        if let Some(name) = self.config.get_dbname() {
            write!(f, " database {name}")?;
        }
        if let Some(user) = self.config.get_user() {
            write!(f, " user {user}")?;
        }
        if let Some(mode) = self.verified {
            write!(f, " sslmode {mode}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str) -> Result<Database, Error> {
        Database::from_url(url, &TlsParameters::default())
    }

    #[test]
    fn the_password_is_never_shown() {
        let database = url("postgresql://ada:secret@db.example:5433/flowers").unwrap();
        assert_eq!(database.to_string(), "db.example port 5433 database flowers user ada");
        assert!(!format!("{database:?}").contains("secret"));
    }

    #[test]
    fn the_database_is_named_after_its_user_if_it_has_no_name() {
        let database = Database::from_parts(Some("/run/pg"), None, Some("ada"), None, None);
        assert_eq!(database.to_string(), "/run/pg database ada user ada");
    }

    #[test]
    fn a_local_connection_is_never_encrypted() {
        for address in
            ["postgresql:///n?host=/run&sslmode=verify-full", "host=/run sslmode=require"]
        {
            assert_eq!(url(address).unwrap().config.get_ssl_mode(), SslMode::Disable);
        }
        let remote = url("host=/run,db.example sslmode=require").unwrap();
        assert_eq!(remote.config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn an_address_is_its_own_name() {
        let database = url("hostaddr=192.0.2.1 user=ada sslmode=disable").unwrap();
        assert_eq!(database.to_string(), "192.0.2.1 database ada user ada");
        assert_eq!(database.config.get_hosts(), [Host::Tcp("192.0.2.1".to_owned())]);
    }

    #[test]
    fn what_tls_needs_is_said_without_the_password() {
        for (address, words) in [
            ("postgresql://ada:secret@h/n?sslmode=verify", "sslmode must be"),
            ("postgresql://ada:secret@h/n?sslmode=verify-full&sslrootcert=/nowhere", "sslrootcert"),
            ("postgresql://ada:secret/?x@h/n?sslmode=require", "%2F"),
            ("postgresql://ada:secret/?x@h/n?sslmode=verify-full", "not valid"),
            ("host=h password=secret sslcert=/nowhere", "together"),
            ("host=h password=secret sslcrl=/nowhere", "not valid"),
        ] {
            let error = url(address).unwrap_err();
            let all = format!("{error} {error:?}");
            assert!(all.contains(words) && !all.contains("secret"), "{all}");
        }
    }
}
