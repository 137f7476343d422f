//! The servers that an address names, of which the first that answers is taken.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};
use rand::seq::SliceRandom;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::options::Options;
use crate::wanted::Wanted;
use crate::{Cause, refusal};

/// The directories in which libpq looks for a socket if it is told of no host: one of them is built into it.
const DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// For how long a server that was silent is tried after all others.
pub(crate) const SILENT: Duration = Duration::from_secs(30);

const PORT: u16 = 5432;

/// The servers, and which of them is wanted.
#[derive(Default)]
pub(crate) struct Servers {
    pub(crate) all: Vec<Server>,
    pub(crate) wanted: Wanted,
    random: bool,
    /// The user who must answer at a socket.
    pub(crate) peer: Option<Uid>,
}

/// One of them.
pub(crate) struct Server {
    /// Its name, or the directory of its socket; none is libpq's default.
    host: Option<Host>,
    address: Option<IpAddr>,
    port: u16,
    /// Its password, if it has one of its own.
    password: Option<String>,
    /// When it was silent.
    silent: Mutex<Option<Instant>>,
}

impl Servers {
    /// Those that `host`, `hostaddr` and `port` name.
    pub(crate) fn of(options: &Options) -> Result<Self, Cause> {
        let (hosts, ports) = (options.list("host"), options.list("port"));
        let addresses = options.list("hostaddr");
        let count = hosts.len().max(addresses.len()).max(1);
        if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
            return Err(Cause::of_words(format!(
                "hostaddr (or PGHOSTADDR) has {} addresses, but host (or PGHOST) has {} names: as many are needed",
                addresses.len(),
                hosts.len(),
            )));
        }
        if ports.len() > 1 && ports.len() != count {
            return Err(Cause::of_words(format!(
                "port (or PGPORT) has {} ports for {count} hosts: either one is needed, or as many as hosts",
                ports.len(),
            )));
        }
        let server = |at: usize| {
            let given = |list: &[&str]| {
                let one = list.get(at).or_else(|| list.first().filter(|_| list.len() == 1));
                one.copied().filter(|one| !one.is_empty()).map(ToOwned::to_owned)
            };
            let address = given(&addresses).map(|address| address.parse()).transpose();
            let address = address.map_err(|_not_an_address| refusal::not_valid("hostaddr"))?;
            let port = given(&ports).map_or(Ok(PORT), |port| port.parse());
            let port = port.ok().filter(|port| *port > 0);
            // An address without a name is called by itself, as TLS needs a name.
            let host = given(&hosts).or_else(|| address.map(|it: IpAddr| it.to_string()));
            Ok(Server {
                host: host.map(to_host),
                address,
                port: port.ok_or_else(|| refusal::not_valid("port"))?,
                password: None,
                silent: Mutex::default(),
            })
        };
        let all: Result<Vec<_>, Cause> = (0..count).map(server).collect();
        let random = [("disable", false), ("random", true)];
        Ok(Self {
            all: all?,
            wanted: options.word("target_session_attrs", &Wanted::WORDS)?.unwrap_or_default(),
            random: options.word("load_balance_hosts", &random)?.unwrap_or(false),
            peer: options.get("requirepeer").map(user).transpose()?,
        })
    }

    /// All of them in the order in which they are tried: those that were silent of late come last.
    pub(crate) fn in_order(&self) -> Vec<&Server> {
        let mut order: Vec<_> = self.all.iter().collect();
        if self.random {
            order.shuffle(&mut rand::rng());
        }
        order.sort_by_cached_key(|server| server.silent_since());
        order
    }
}

/// The user of this name, on this machine.
fn user(name: &str) -> Result<Uid, Cause> {
    let user = User::from_name(name).ok().flatten();
    user.map(|user| user.uid).ok_or_else(|| {
        Cause::of_words(
            "requirepeer (or PGREQUIREPEER) names a user whom this machine does not have",
        )
    })
}

fn to_host(name: String) -> Host {
    if name.starts_with('/') { Host::Unix(PathBuf::from(name)) } else { Host::Tcp(name) }
}

impl Server {
    /// Its name, or the directory of its socket. That of the default may come and go with the server.
    pub(crate) fn host(&self) -> Host {
        self.host.clone().unwrap_or_else(|| {
            let name = format!(".s.PGSQL.{}", self.port);
            let mut directories = DIRECTORIES.iter().map(PathBuf::from);
            let found = directories.find(|directory| directory.join(&name).exists());
            found.map_or_else(|| Host::Tcp("localhost".to_owned()), Host::Unix)
        })
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is reached by a Unix socket, wherever the default leads.
    pub(crate) fn is_socket(&self) -> bool {
        self.address.is_none() && matches!(self.host, Some(Host::Unix(_)))
    }

    /// Whether it is this machine.
    pub(crate) fn is_near(&self) -> bool {
        if let Some(address) = self.address {
            return address.to_canonical().is_loopback();
        }
        let Some(Host::Tcp(name)) = &self.host else { return true };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let address = name.parse::<IpAddr>();
        name == "localhost"
            || name.ends_with(".localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Its name in a password file.
    pub(crate) fn name_in_password_file(&self) -> String {
        match &self.host {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) if !DIRECTORIES.iter().any(|it| path.as_os_str() == *it) => {
                path.display().to_string()
            }
            _ => "localhost".to_owned(),
        }
    }

    pub(crate) fn has_password(&mut self, password: Option<String>) {
        self.password = password;
    }

    /// A configuration that leads to this one alone.
    pub(crate) fn configure(&self, config: &Config) -> Config {
        let mut config = config.clone();
        match (self.host(), self.address) {
            (Host::Unix(path), None) => config.host_path(path),
            (Host::Unix(_), Some(address)) => config.host(address.to_string()),
            (Host::Tcp(name), None) => config.host(name),
            (Host::Tcp(name), Some(address)) => config.host(name).hostaddr(address),
        };
        if let Some(password) = &self.password {
            config.password(password);
        }
        config.port(self.port);
        config
    }

    /// When it was silent, if that was of late.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        let silent = *self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.filter(|since| since.elapsed() < SILENT)
    }

    /// Notes that it said nothing; gives whether that is news.
    pub(crate) fn is_silent(&self) -> bool {
        let news = self.silent_since().is_none();
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        news
    }

    /// Notes that it has answered.
    pub(crate) fn answers(&self) {
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match (self.host(), self.address) {
            (Host::Unix(path), None) if port == PORT => write!(f, "{}", path.display()),
            (Host::Unix(path), None) => write!(f, "{} port {port}", path.display()),
            (Host::Tcp(name), Some(address)) if name != address.to_string() => {
                write!(f, "{name} ({address}):{port}")
            }
            (_, Some(IpAddr::V6(address))) => write!(f, "[{address}]:{port}"),
            (_, Some(address)) => write!(f, "{address}:{port}"),
            (Host::Tcp(name), None) if name.contains(':') => write!(f, "[{name}]:{port}"),
            (Host::Tcp(name), None) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(options: &[(&str, &str)]) -> Result<Servers, String> {
        let mut all = Options::default();
        for (name, value) in options {
            assert!(all.take(name, value).unwrap(), "{name}");
        }
        Servers::of(&all).map_err(|error| error.to_string())
    }

    fn shown(servers: &[&Server]) -> String {
        servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    #[track_caller]
    fn check(options: &[(&str, &str)], expected: &str) {
        let servers = servers(options).unwrap();
        assert_eq!(shown(&servers.in_order()), expected);
    }

    #[test]
    fn lists_are_split() {
        check(&[("host", "a, b"), ("port", "1, 2")], "a:1,b:2");
        check(&[("host", "a,b"), ("port", "1")], "a:1,b:1");
        check(&[("host", "a,b"), ("port", ",2")], "a:5432,b:2");
        check(&[("host", "/run,b")], "/run,b:5432");
        check(&[("host", "/run"), ("port", "1")], "/run port 1");
        check(&[("host", "a,b"), ("hostaddr", "192.0.2.1,")], "a (192.0.2.1):5432,b:5432");
        check(&[("hostaddr", "192.0.2.1,::1")], "192.0.2.1:5432,[::1]:5432");
        check(&[("host", "/run"), ("hostaddr", "192.0.2.1")], "192.0.2.1:5432");
    }

    #[test]
    fn lists_that_do_not_fit_are_refused_by_name() {
        for (options, words) in [
            ([("host", "a,b"), ("port", "1,2,3")], "3 ports for 2 hosts"),
            ([("host", "a"), ("port", "1,2")], "2 ports for 1 hosts"),
            ([("host", "a"), ("hostaddr", "192.0.2.1,::1")], "2 addresses"),
            ([("host", "a"), ("hostaddr", "b")], "hostaddr"),
            ([("host", "a"), ("port", "0")], "port"),
            ([("host", "a"), ("port", "65536")], "port"),
            ([("host", "a"), ("target_session_attrs", "x")], "target_session_attrs"),
            ([("host", "a"), ("load_balance_hosts", "x")], "load_balance_hosts"),
        ] {
            let said = servers(&options).map(|_| ()).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn silent_servers_come_last_and_the_first_to_be_silent_first_of_those() {
        let servers = servers(&[("host", "a,b,c")]).unwrap();
        let [a, b, _] = &*servers.all else { panic!("{}", servers.all.len()) };
        assert!(a.is_silent() && !a.is_silent());
        assert_eq!(shown(&servers.in_order()), "b:5432,c:5432,a:5432");
        assert!(b.is_silent());
        assert_eq!(shown(&servers.in_order()), "c:5432,a:5432,b:5432");
        a.answers();
        assert_eq!(shown(&servers.in_order()), "a:5432,c:5432,b:5432");
    }
}
