//! A PostgreSQL for one test, which may stop it, start it and freeze it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use postmaster::{Postmaster, Settings, Stop};
use tempfile::TempDir;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use super::eventually;
use super::postgres::{home, stop_with_this_process};

/// A cluster, and the server on it while it runs. Nobody restarts it but the test.
#[derive(Debug)]
pub(crate) struct OwnPostgres {
    server: Option<Child>,
    cluster: PathBuf,
    config: Config,
    url: String,
    home: TempDir,
}

impl OwnPostgres {
    /// Makes one and waits until it accepts connections.
    pub(crate) async fn start() -> Self {
        // The postmaster crate finds the programs and makes the cluster; PostgreSQL itself writes down how it was
        // started, and that way it is started again.
        let home = home();
        let settings = Settings { data_dir: home.path().to_owned(), ..Settings::default() };
        let postmaster = tokio::task::spawn_blocking(move || {
            Postmaster::start(&settings, &Stop::default()).unwrap()
        })
        .await;
        let postmaster = postmaster.unwrap();
        let (user, name) = (postmaster.user().to_owned(), postmaster.database().to_owned());
        let (socket, port) = (postmaster.socket_dir().to_owned(), postmaster.port());
        let cluster = postmaster.cluster_dir().to_owned();
        tokio::task::spawn_blocking(move || postmaster.stop().unwrap()).await.unwrap();
        stop_with_this_process(&cluster, home.path());

        let url = format!("postgresql://{user}@/{name}?host={}&port={port}", socket.display());
        let mut config = Config::new();
        config.host_path(socket).port(port).user(user).dbname(name);
        let mut postgres = Self { server: None, cluster, config, url, home };
        postgres.start_again().await;
        postgres
    }

    /// Its address, as `DATABASE_URL` takes it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A connection to it, if it accepts one.
    pub(crate) async fn try_connect(&self) -> Option<Client> {
        let (client, connection) = self.config.connect(NoTls).await.ok()?;
        tokio::spawn(connection);
        Some(client)
    }

    /// Starts it as it was started before and waits until it accepts connections.
    pub(crate) async fn start_again(&mut self) {
        self.start_with("").await;
    }

    /// The same, with more options, which from now on are its own.
    pub(crate) async fn start_with(&mut self, more: &str) {
        let options = fs::read_to_string(self.cluster.join("postmaster.opts")).unwrap();
        let options = format!("{} {more}", options.trim_end());
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("exec {options}")).current_dir("/").env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        if geteuid().is_root() {
            let owner = fs::metadata(&self.cluster).unwrap();
            command.uid(owner.uid()).gid(owner.gid());
        }
        self.server = Some(command.spawn().unwrap());
        eventually("PostgreSQL accepts connections", async || self.try_connect().await.is_some())
            .await;
    }

    /// Makes a standby of it, which streams what is written to it; for that it is stopped for a moment.
    pub(crate) async fn standby(&mut self) -> Self {
        self.crash().await;
        let home = home();
        let (from, to) = (self.home.path().to_owned(), home.path().to_owned());
        let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(&to).status().unwrap();
        assert!(copied.success());
        let elsewhere = |text: &str| text.replace(from.to_str().unwrap(), to.to_str().unwrap());
        let cluster = PathBuf::from(elsewhere(self.cluster.to_str().unwrap()));
        let options = fs::read_to_string(cluster.join("postmaster.opts")).unwrap();
        fs::write(cluster.join("postmaster.opts"), elsewhere(&options)).unwrap();
        fs::write(cluster.join("standby.signal"), "").unwrap();
        let _ = fs::remove_file(cluster.join("postmaster.pid"));
        let (Some(Host::Unix(socket)), Some(port), Some(user)) = (
            self.config.get_hosts().first(),
            self.config.get_ports().first(),
            self.config.get_user(),
        ) else {
            panic!("{:?}", self.config)
        };
        let primary =
            format!("primary_conninfo = 'host={} port={port} user={user}'", socket.display());
        fs::write(cluster.join("postgresql.auto.conf"), primary).unwrap();
        stop_with_this_process(&cluster, home.path());

        let mut config = Config::new();
        config.host_path(elsewhere(socket.to_str().unwrap())).port(*port).user(user);
        config.dbname(self.config.get_dbname().unwrap());
        let url = elsewhere(&self.url);
        self.start_again().await;
        let mut standby = Self { server: None, cluster, config, url, home };
        standby.start_again().await;
        standby
    }

    /// Starts it again with a TCP port too, and these lines before those in `pg_hba.conf`; gives the port.
    pub(crate) async fn listen(&mut self, rules: &str) -> u16 {
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let theirs = fs::read_to_string(self.cluster.join("pg_hba.conf")).unwrap();
        self.put("pg_hba.conf", &format!("{rules}\n{theirs}"));
        self.crash().await;
        let socket = self.config.get_hosts()[0].clone();
        let mut config = Config::new();
        if let Host::Unix(path) = socket {
            config.host_path(path);
        }
        config.port(port).user(self.config.get_user().unwrap());
        config.dbname(self.config.get_dbname().unwrap());
        self.config = config;
        self.start_with(&format!("-c listen_addresses=localhost -c port={port}")).await;
        port
    }

    /// Writes a file into the cluster that only the server may read.
    pub(crate) fn put(&self, name: &str, content: &str) {
        let path = self.cluster.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if geteuid().is_root() {
            let owner = fs::metadata(&self.cluster).unwrap();
            chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
    }

    /// Has it read its files again, and waits until new sessions know what is in them.
    pub(crate) async fn reload(&self) {
        const READ_AT: &str = "select pg_conf_load_time()";
        let client = self.try_connect().await.unwrap();
        let before: SystemTime = client.query_one(READ_AT, &[]).await.unwrap().get(0);
        client.batch_execute("select pg_reload_conf()").await.unwrap();
        eventually("PostgreSQL has read its files", async || {
            let client = self.try_connect().await.unwrap();
            client.query_one(READ_AT, &[]).await.unwrap().get::<_, SystemTime>(0) > before
        })
        .await;
    }

    /// Ends it at once and without any tidying, as a crash does, and waits until it is gone.
    pub(crate) async fn crash(&mut self) {
        self.tell(Signal::SIGQUIT);
        let mut server = self.server.take().unwrap();
        tokio::task::spawn_blocking(move || server.wait().unwrap()).await.unwrap();
    }

    /// Freezes every process of it; connections stay open and nothing answers.
    pub(crate) fn freeze(&self) {
        // Frozen first, it has no more children.
        self.tell(Signal::SIGSTOP);
        for child in self.children() {
            let _ = kill(child, Signal::SIGSTOP);
        }
    }

    /// Lets them all go on.
    pub(crate) fn thaw(&self) {
        for child in self.children() {
            let _ = kill(child, Signal::SIGCONT);
        }
        self.tell(Signal::SIGCONT);
    }

    fn pid(&self) -> Option<Pid> {
        self.server.as_ref().map(|server| Pid::from_raw(server.id().cast_signed()))
    }

    fn tell(&self, signal: Signal) {
        kill(self.pid().unwrap(), signal).unwrap();
    }

    fn children(&self) -> Vec<Pid> {
        let parent = self.pid().unwrap().to_string();
        let listing = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().unwrap();
        String::from_utf8_lossy(&listing.stdout)
            .lines()
            .filter_map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().ok())
            .filter(|[_, of]: &[&str; 2]| *of == parent)
            .map(|[pid, _]| Pid::from_raw(pid.parse().unwrap()))
            .collect()
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.thaw();
            self.tell(Signal::SIGQUIT);
        }
        if let Some(mut server) = self.server.take() {
            let _ = server.wait();
        }
    }
}
