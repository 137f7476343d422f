//! Where the database is.

use std::fmt;
use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::connector::Connector;
use crate::refusal::{self, is_socket};
use crate::tls::Mode;
use crate::{Cause, Error, Schema, TlsParameters, address};

/// Where the database is and who connects to it. Its `Display` and `Debug` leave the password out.
#[derive(Clone)]
pub struct Database {
    pub(crate) config: Config,
    pub(crate) connector: Connector,
    /// How far the server is verified.
    verified: Option<&'static str>,
    /// What was said of TLS.
    tls: TlsParameters,
    pooled: bool,
    /// The schema of the record, once it is found.
    pub(crate) schema: Option<Schema>,
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
        refusal::check_shape(&rest).map_err(Error::InvalidAddress)?;
        let config: Config =
            rest.parse().map_err(|error| Error::InvalidAddress(refusal::of_parser(&error)))?;
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
    /// Fails if TLS is impossible as it is said to be: a mode that there is not, a file that cannot be read; or if a host,
    /// the database or the user has a name that none can have, and which so may be a part of the password.
    pub fn encrypted(mut self, tls: &TlsParameters) -> Result<Self, Error> {
        refusal::check_parts(&self.config).map_err(Error::InvalidAddress)?;
        let mode = tls.mode()?;
        if self.config.get_hosts().iter().all(is_socket) {
            return Ok(self);
        }
        self.tls = tls.clone();
        if mode == Mode::Disable {
            return Ok(self);
        }
        let preferred = mode == Mode::Prefer;
        self.config.ssl_mode(if preferred { SslMode::Prefer } else { SslMode::Require });
        self.connector = Connector::new(tls.client(mode)?);
        self.verified = mode.verified();
        Ok(self)
    }

    /// Whether somebody on the way could pass himself off as the database: it is on another machine, and connections are
    /// not verified in full.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        let config = &self.config;
        let near = if config.get_hostaddrs().is_empty() {
            config.get_hosts().iter().all(is_near)
        } else {
            config.get_hostaddrs().iter().all(|address| address.to_canonical().is_loopback())
        };
        !near && self.verified != Mode::VerifyFull.verified()
    }

    /// A shell command that opens it, as pasted. It holds no password, as everybody on this machine could see that there:
    /// psql asks for it, or finds it in its password file.
    #[must_use]
    pub fn psql(&self) -> String {
        let config = &self.config;
        let list = |values: Vec<String>| Some(values.join(",")).filter(|list| !list.is_empty());
        let pairs = [
            ("host", list(config.get_hosts().iter().map(name_of).collect())),
            ("hostaddr", list(config.get_hostaddrs().iter().map(ToString::to_string).collect())),
            ("port", list(config.get_ports().iter().map(ToString::to_string).collect())),
            ("dbname", config.get_dbname().map(ToOwned::to_owned)),
            ("user", config.get_user().map(ToOwned::to_owned)),
            ("sslmode", self.tls.mode.clone()),
            ("sslrootcert", self.tls.root_certificate.clone()),
            ("sslcert", self.tls.certificate.clone()),
            ("sslkey", self.tls.key.clone()),
            ("options", self.hidden_path()),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| {
            let value = value?.replace('\\', r"\\").replace('\'', r"\'").replace(' ', r"\ ");
            Some(format!("{name}={value}"))
        });
        let pairs: Vec<_> = pairs.collect();
        format!("psql '{}'", pairs.join(" ").replace('\'', r"'\''"))
    }

    fn plain(mut config: Config) -> Self {
        config.ssl_mode(SslMode::Disable);
        let connector = Connector::default();
        let tls = TlsParameters::default();
        Self { config, connector, verified: None, tls, pooled: false, schema: None }.completed()
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

/// Whether it is this machine.
fn is_near(host: &Host) -> bool {
    let Host::Tcp(name) = host else { return true };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let address = name.parse::<IpAddr>();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The name of a host, or the directory of a Unix socket.
fn name_of(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hosts: Vec<_> = self.config.get_hosts().iter().map(name_of).collect();
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
        if let Some(schema) = self.schema.as_ref().filter(|schema| schema.name != "public") {
            write!(f, " schema {}", schema.name)?;
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
        let remote = url("host=db.example sslmode=require").unwrap();
        assert_eq!(remote.config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn an_address_is_its_own_name() {
        let database = url("hostaddr=192.0.2.1 user=ada sslmode=disable").unwrap();
        assert_eq!(database.to_string(), "192.0.2.1 database ada user ada");
        assert_eq!(database.config.get_hosts(), [Host::Tcp("192.0.2.1".to_owned())]);
    }

    #[test]
    fn the_line_for_psql_has_all_but_the_password() {
        for (address, line) in [
            (
                "postgresql://ada:secret@db.example:5433/flowers?sslmode=require",
                "psql 'host=db.example port=5433 dbname=flowers user=ada sslmode=require'",
            ),
            ("host=h1,h2 port=1,2 user=ada", "psql 'host=h1,h2 port=1,2 dbname=ada user=ada'"),
            ("host='/my run' user=ada", r"psql 'host=/my\ run dbname=ada user=ada'"),
            ("host=/it\\'s user=ada", r"psql 'host=/it\'\''s dbname=ada user=ada'"),
        ] {
            assert_eq!(url(address).unwrap().psql(), line);
        }
    }

    #[test]
    fn only_what_is_far_and_not_verified_in_full_is_unverified() {
        for (address, unverified) in [
            ("host=/run", false),
            ("host=localhost", false),
            ("host=127.1.2.3", false),
            ("host=::1", false),
            ("host=db.example hostaddr=127.0.0.1", false),
            ("host=db.localhost.", false),
            ("host=localhost hostaddr=192.0.2.1", true),
            ("host=db.example", true),
            ("host=localhost,db.example", true),
            ("host=db.example sslmode=require", true),
            ("host=db.example sslrootcert=system", false),
        ] {
            assert_eq!(url(address).unwrap().is_unverified(), unverified, "{address}");
        }
    }

    #[test]
    fn what_tls_needs_is_said_without_the_password() {
        for (address, words) in [
            ("postgresql://ada:secret@h/n?sslmode=verify", "sslmode must be"),
            ("postgresql://ada:secret@h/n?sslmode=verify-full&sslrootcert=/nowhere", "sslrootcert"),
            ("postgresql://ada:secret/?x@h/n?sslmode=require", "%2F"),
            ("postgresql://ada:secret@h/n?sslmode=require&x@y", "%40"),
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
