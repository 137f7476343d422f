//! Where the database is.

use std::fmt;
use std::path::Path;

use nix::unistd::Uid;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::connector::Connector;
use crate::options::Options;
use crate::servers::{Server, Servers};
use crate::tls::{Mode, TlsParameters};
use crate::wanted::Wanted;
use crate::{Error, Schema, Variables, address, configuration, service_file};

/// Where the database is and who connects to it. Its `Display` and `Debug` leave the password out.
#[derive(Clone)]
pub struct Database {
    /// The configuration of a session, but for its server.
    pub(crate) config: Config,
    pub(crate) connector: Connector,
    /// How far the server is verified.
    verified: Option<&'static str>,
    /// The options that were given.
    options: Options,
    pub(crate) pooled: bool,
    /// The schema of the record, once it is found.
    pub(crate) schema: Option<Schema>,
}

impl Database {
    /// The database at a URL, `postgresql://user:password@host:port/name`, or in libpq's `key=value` form. What it does not
    /// say is said by libpq's variables, and the rest has libpq's default.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a valid address, or asks for something that is impossible or not done here.
    pub fn from_url(url: &str, variables: &Variables) -> Result<Self, Error> {
        Self::of(address::read(url).map_err(Error::InvalidAddress)?, variables)
    }

    /// The database that libpq's variables name.
    ///
    /// # Errors
    ///
    /// Fails if they ask for something that is impossible or not done here.
    pub fn from_variables(variables: &Variables) -> Result<Self, Error> {
        Self::of(Options::default(), variables)
    }

    /// The database behind the Unix socket in a directory, if the process that answers there is of the user with the number
    /// `peer`.
    ///
    /// # Errors
    ///
    /// Fails if the variables ask for something that is impossible or not done here.
    pub fn at_socket(
        directory: &Path,
        port: u16,
        user: &str,
        name: &str,
        peer: u32,
        variables: &Variables,
    ) -> Result<Self, Error> {
        let (directory, port) = (directory.to_string_lossy(), port.to_string());
        let mut said = Options::default();
        for (option, value) in
            [("host", &*directory), ("port", &port), ("user", user), ("dbname", name)]
        {
            said.take(option, value).map_err(Error::InvalidAddress)?;
        }
        Self::with_peer(said, variables, Some(Uid::from_raw(peer)))
    }

    fn of(said: Options, variables: &Variables) -> Result<Self, Error> {
        Self::with_peer(said, variables, None)
    }

    /// Connections are encrypted as the options say; those over a Unix socket never are.
    fn with_peer(said: Options, variables: &Variables, peer: Option<Uid>) -> Result<Self, Error> {
        let options = service_file::completed(said, &variables.options);
        let options = options.map_err(Error::InvalidAddress)?;
        let mut servers = Servers::of(&options).map_err(Error::InvalidAddress)?;
        servers.peer = peer.or(servers.peer);
        let config = configuration::of(&options, &mut servers);
        let mut config = config.map_err(Error::InvalidAddress)?;
        let tls = TlsParameters::of(&options);
        let mut mode = tls.mode()?;
        if servers.all.iter().all(Server::is_socket) {
            mode = Mode::Disable;
        } else {
            configuration::encrypt(&mut config, mode).map_err(Error::InvalidAddress)?;
        }
        let client = (mode != Mode::Disable).then(|| tls.client(mode)).transpose()?;
        let connector = Connector::new(servers, client);
        Ok(Self {
            config,
            connector,
            verified: mode.verified(),
            options,
            pooled: false,
            schema: None,
        })
    }

    /// The same behind a pooler that gives each transaction another session, such as PgBouncer in transaction mode.
    ///
    /// Then nothing is kept in a session: no prepared statements, no settings.
    #[must_use]
    pub fn behind_pooler(self) -> Self {
        Self { pooled: true, ..self }
    }

    /// The name of the database, if the address says it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.config.get_dbname()
    }

    /// The user, if the address says it.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.config.get_user()
    }

    /// Whether it is behind such a pooler.
    #[must_use]
    pub fn is_pooled(&self) -> bool {
        self.pooled
    }

    /// Whether somebody on the way could pass himself off as the database: it is on another machine, and connections are
    /// not verified in full.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        let near = self.servers().iter().all(Server::is_near);
        !near && self.verified != Mode::VerifyFull.verified()
    }

    /// A shell command that opens it, as pasted. It holds no password, as everybody on this machine could see that there:
    /// psql asks for it, or finds it in its password file.
    #[must_use]
    pub fn psql(&self) -> String {
        let (config, servers) = (&self.config, self.servers());
        let list =
            |value: fn(&Server) -> String| servers.iter().map(value).collect::<Vec<_>>().join(",");
        let addressed = servers.iter().any(|server| server.address().is_some());
        let ported = servers.iter().any(|server| server.port() != 5432);
        let encrypted = !servers.iter().all(Server::is_socket);
        let of_tls = |name| self.options.get(name).filter(|_| encrypted).map(ToOwned::to_owned);
        let wanted = self.connector.servers().wanted;
        let pairs = [
            ("host", Some(list(name_of))),
            ("hostaddr", addressed.then(|| list(address_of))),
            ("port", ported.then(|| list(|server| server.port().to_string()))),
            ("dbname", config.get_dbname().map(ToOwned::to_owned)),
            ("user", config.get_user().map(ToOwned::to_owned)),
            ("passfile", self.options.get("passfile").map(ToOwned::to_owned)),
            ("requirepeer", self.options.get("requirepeer").map(ToOwned::to_owned)),
            ("target_session_attrs", (wanted != Wanted::Any).then(|| wanted.word().to_owned())),
            ("sslmode", of_tls("sslmode")),
            ("sslnegotiation", of_tls("sslnegotiation")),
            ("sslrootcert", of_tls("sslrootcert")),
            ("sslcert", of_tls("sslcert")),
            ("sslkey", of_tls("sslkey")),
            ("options", self.hidden_path()),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| {
            let value = value?.replace('\\', r"\\").replace('\'', r"\'").replace(' ', r"\ ");
            Some(format!("{name}={value}"))
        });
        let pairs: Vec<_> = pairs.collect();
        format!("psql '{}'", pairs.join(" ").replace('\'', r"'\''"))
    }

    fn servers(&self) -> &[Server] {
        &self.connector.servers().all
    }
}

/// The name of a server, or the directory of its socket.
fn name_of(server: &Server) -> String {
    match server.host() {
        Host::Tcp(name) => name,
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

fn address_of(server: &Server) -> String {
    server.address().map(|address| address.to_string()).unwrap_or_default()
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers().iter().map(ToString::to_string).collect();
        write!(f, "{}", servers.join(","))?;
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

    use tokio_postgres::config::SslMode;

    fn url(url: &str) -> Result<Database, Error> {
        Database::from_url(url, &Variables::default())
    }

    #[test]
    fn the_password_is_never_shown() {
        let database = url("postgresql://ada:secret@db.example:5433/flowers").unwrap();
        assert_eq!(database.to_string(), "db.example:5433 database flowers user ada");
        assert!(!format!("{database:?}").contains("secret"));
    }

    #[test]
    fn the_database_is_named_after_its_user_if_it_has_no_name() {
        let database = url("host=/run/pg user=ada").unwrap();
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
    fn every_host_is_shown_with_its_port() {
        let database = url("postgresql://ada@a:5598,b:5511/rec?sslmode=disable").unwrap();
        assert_eq!(database.to_string(), "a:5598,b:5511 database rec user ada");
        let database = url("host=/run,[::1] port=5598 user=ada").unwrap_err();
        assert!(database.to_string().contains("not valid"));
    }

    #[test]
    fn variables_complete_an_address_and_do_not_overrule_it() {
        let set = [("PGHOST", "h"), ("PGPORT", "1"), ("PGUSER", "ada"), ("PGPASSWORD", "secret")];
        let variables = Variables::read(|name| {
            set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        });
        let variables = variables.unwrap();
        for (address, shown) in [
            ("postgresql:///rec", "h:1 database rec user ada"),
            ("postgresql://eve@i:2", "i:2 database eve user eve"),
            ("dbname=rec host=/run", "/run port 1 database rec user ada"),
        ] {
            let database = Database::from_url(address, &variables).unwrap();
            assert_eq!(database.to_string(), shown);
            assert_eq!(database.config.get_password(), Some(&b"secret"[..]));
        }
    }

    #[test]
    fn without_a_user_it_is_that_of_the_system() {
        let id = std::process::Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(id.stdout).unwrap();
        let user = user.trim();
        let database = url("host=/run dbname=rec").unwrap();
        assert_eq!(database.to_string(), format!("/run database rec user {user}"));
    }

    #[test]
    fn an_address_is_its_own_name() {
        let database = url("hostaddr=192.0.2.1 user=ada sslmode=disable").unwrap();
        assert_eq!(database.to_string(), "192.0.2.1:5432 database ada user ada");
        assert_eq!(name_of(&database.servers()[0]), "192.0.2.1");
    }

    #[test]
    fn the_line_for_psql_has_all_but_the_password() {
        for (address, line) in [
            (
                "postgresql://ada:secret@db.example:5433/flowers?sslmode=require",
                "psql 'host=db.example port=5433 dbname=flowers user=ada sslmode=require'",
            ),
            (
                "host=h1,/run hostaddr=192.0.2.1, user=ada target_session_attrs=primary passfile=/p sslmode=disable",
                "psql 'host=h1,/run hostaddr=192.0.2.1, dbname=ada user=ada passfile=/p target_session_attrs=primary \
                 sslmode=disable'",
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
            ("postgresql://ada:secret/?x@h/n?sslmode=verify-full", "%2F"),
            ("host=h password=secret sslcert=/nowhere", "together"),
            ("host=h password=secret sslcrl=/nowhere", "not valid"),
        ] {
            let error = url(address).unwrap_err();
            let all = format!("{error} {error:?}");
            assert!(all.contains(words) && !all.contains("secret"), "{all}");
        }
    }
}
