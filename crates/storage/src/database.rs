//! Where the database is.

use std::fmt;

use tokio_postgres::config::Host;

use crate::Error;

/// Where the database is and who connects to it. Its `Display` and `Debug` leave the password out.
#[derive(Clone)]
pub struct Database {
    pub(crate) config: tokio_postgres::Config,
    pooled: bool,
}

impl Database {
    /// The database at a URL, `postgresql://user:password@host:port/name`, or in libpq's `key=value` form.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a valid address.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let config: tokio_postgres::Config = url
            .parse()
            .map_err(|error: tokio_postgres::Error| Error::InvalidAddress(error.into()))?;
        Ok(Self { config, pooled: false }.completed())
    }

    /// The database given by its parts, each as in libpq's `PGHOST`, `PGPORT` and so on; what is missing has
    /// libpq's default. A host that starts with `/` is the directory of a Unix socket.
    #[must_use]
    pub fn from_parts(
        host: Option<&str>,
        port: Option<u16>,
        user: Option<&str>,
        password: Option<&str>,
        name: Option<&str>,
    ) -> Self {
        let mut config = tokio_postgres::Config::new();
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
        Self { config, pooled: false }.completed()
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

    /// Fills in libpq's defaults, which tokio-postgres does not know: the host; the name is that of the user.
    fn completed(mut self) -> Self {
        if self.config.get_hosts().is_empty() && self.config.get_hostaddrs().is_empty() {
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

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        let addresses = self.config.get_hostaddrs().iter().map(ToString::to_string);
        write!(f, "{}", hosts.chain(addresses).collect::<Vec<_>>().join(","))?;
        if let Some(port) = self.config.get_ports().first() {
            write!(f, " port {port}")?;
        }
        if let Some(name) = self.config.get_dbname() {
            write!(f, " database {name}")?;
        }
        if let Some(user) = self.config.get_user() {
            write!(f, " user {user}")?;
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

    #[test]
    fn the_password_is_never_shown() {
        let database =
            Database::from_url("postgresql://ada:secret@db.example:5433/flowers").unwrap();
        assert_eq!(database.to_string(), "db.example port 5433 database flowers user ada");
        assert!(!format!("{database:?}").contains("secret"));
    }

    #[test]
    fn the_database_is_named_after_its_user_if_it_has_no_name() {
        let database = Database::from_parts(Some("/run/pg"), None, Some("ada"), None, None);
        assert_eq!(database.to_string(), "/run/pg database ada user ada");
    }
}
