//! The PostgreSQL under test: a cluster of its own, which may be stopped, killed and frozen.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;
use tokio_postgres::{Client, Config, NoTls};

use crate::installation::Installation;
use crate::resources::{children, is_running};

/// As whom the service connects; an ordinary role that owns its database, and nothing more.
pub(crate) const SERVICE_ROLE: &str = "service";

/// Its password.
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";

/// The superuser that the cluster was made with; he is let in without a password, through the socket only.
const SUPERUSER: &str = "onrecord";

/// How long a start may take, recovery included.
const START: Duration = Duration::from_secs(60);

/// A cluster, and the server on it while it runs; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    installation: Installation,
    home: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) port: u16,
    server: Option<Child>,
    /// Settings besides the usual ones, `name=value`; read at the next start.
    pub(crate) settings: Vec<String>,
    /// Words before the command of its next start, which end by running it.
    pub(crate) wrapper: Vec<String>,
}

impl Postgres {
    /// Copies the cluster into `home`, starts it, and makes the role and the database of the service.
    pub(crate) async fn create(
        installation: &Installation,
        home: &Path,
        settings: &[&str],
        wal: Option<&Path>,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(home)?;
        fs::set_permissions(home, Permissions::from_mode(0o755))?;
        installation.own(home)?;
        let data = home.join("data");
        installation.copy_to(&data)?;
        fs::write(data.join("pg_hba.conf"), HBA)?;
        if let Some(wal) = wal {
            installation.move_to(&data.join("pg_wal"), wal)?;
        }
        // Nobody keeps this port; the few who might take it are all ours.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut postgres = Self {
            installation: installation.clone(),
            home: home.to_owned(),
            data,
            port,
            server: None,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            wrapper: Vec::new(),
        };
        postgres.start().await?;
        let admin = postgres.connect_to("postgres").await?;
        let role = format!("create role {SERVICE_ROLE} login password '{PASSWORD}'");
        admin.batch_execute(&role).await?;
        let database = format!("create database {SERVICE_ROLE} owner {SERVICE_ROLE}");
        admin.batch_execute(&database).await?;
        Ok(postgres)
    }

    /// The address of the service's database, as `DATABASE_URL` takes it, through this port.
    pub(crate) fn url(&self, port: u16) -> String {
        format!("postgresql://{SERVICE_ROLE}:{PASSWORD}@127.0.0.1:{port}/{SERVICE_ROLE}")
    }

    /// Makes one more database of the service's role and gives its address.
    pub(crate) async fn database(&self, name: &str) -> anyhow::Result<String> {
        let admin = self.connect_to("postgres").await?;
        admin.batch_execute(&format!("create database {name} owner {SERVICE_ROLE}")).await?;
        Ok(format!("postgresql://{SERVICE_ROLE}:{PASSWORD}@127.0.0.1:{}/{name}", self.port))
    }

    /// The address of a database for programs that connect as the superuser.
    pub(crate) fn address_of_superuser(&self, database: &str) -> String {
        format!(
            "host={} port={} user={SUPERUSER} dbname={database}",
            self.home.display(),
            self.port
        )
    }

    /// A session of the superuser in the service's database; it does not pass the proxy or the network.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        self.connect_to(SERVICE_ROLE).await
    }

    /// The same in this database.
    pub(crate) async fn connect_to(&self, database: &str) -> anyhow::Result<Client> {
        let mut config = Config::new();
        config.host_path(&self.home).port(self.port).user(SUPERUSER).dbname(database);
        config.application_name("faults");
        let (client, connection) =
            config.connect(NoTls).await.context("PostgreSQL accepts no connection")?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Starts it and waits until it accepts connections.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let give_up = Instant::now() + START;
        self.launch()?;
        while self.connect_to("postgres").await.is_err() {
            let server = self.server.as_mut().context("no server")?;
            if let Some(status) = server.try_wait()? {
                // A backend that outlived its killed postmaster may hold the shared memory for a moment.
                if Instant::now() > give_up {
                    bail!("PostgreSQL ended with {status}: {}", self.log_tail());
                }
                sleep(Duration::from_millis(50)).await;
                self.launch()?;
            }
            if Instant::now() > give_up {
                bail!("PostgreSQL does not accept connections: {}", self.log_tail());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let mut words =
            self.wrapper.iter().map(Path::new).chain([self.installation.postgres.as_path()]);
        let mut command = self.installation.command(words.next().unwrap_or(Path::new("")));
        command.args(words).arg("-D").arg(&self.data).arg("-k").arg(&self.home);
        for setting in USUAL.iter().copied().chain(self.settings.iter().map(String::as_str)) {
            command.arg("-c").arg(setting);
        }
        command.arg("-c").arg(format!("port={}", self.port));
        let log = File::options().create(true).append(true).open(self.log())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        self.server = Some(command.spawn().context("PostgreSQL cannot be run")?);
        Ok(())
    }

    /// The file of its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(8)..].join(" | ")
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.server.as_ref().map(Child::id).context("PostgreSQL does not run")
    }

    /// Sends a signal to the postmaster.
    pub(crate) fn tell(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill(Pid::from_raw(self.pid()?.cast_signed()), signal)?)
    }

    /// Kills the postmaster alone, and waits until its children have noticed.
    pub(crate) async fn kill_postmaster(&mut self) -> anyhow::Result<()> {
        let children = children(self.pid()?);
        self.tell(Signal::SIGKILL)?;
        self.gone(&children).await
    }

    /// Kills every process of it, none of which runs another instruction.
    pub(crate) async fn kill_all(&mut self) -> anyhow::Result<()> {
        self.freeze()?;
        let children = children(self.pid()?);
        signal_all(&children, Signal::SIGKILL);
        self.tell(Signal::SIGKILL)?;
        self.gone(&children).await
    }

    /// Stops it: SIGINT is the fast way, SIGQUIT the immediate one.
    pub(crate) async fn stop(&mut self, signal: Signal) -> anyhow::Result<()> {
        let children = children(self.pid()?);
        self.tell(signal)?;
        self.gone(&children).await
    }

    async fn gone(&mut self, children: &[u32]) -> anyhow::Result<()> {
        let give_up = Instant::now() + START;
        let server = self.server.as_mut().context("PostgreSQL does not run")?;
        while server.try_wait()?.is_none() || children.iter().any(|child| is_running(*child)) {
            if Instant::now() > give_up {
                bail!("PostgreSQL does not end: {}", self.log_tail());
            }
            sleep(Duration::from_millis(2)).await;
        }
        self.server = None;
        Ok(())
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        self.gone(&[]).await
    }

    /// Whether the postmaster runs.
    pub(crate) fn is_running(&self) -> bool {
        self.pid().is_ok_and(is_running)
    }

    /// Freezes every process of it: connections stay open, and nothing answers.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        // Frozen first, it has no more children.
        self.tell(Signal::SIGSTOP)?;
        signal_all(&children(self.pid()?), Signal::SIGSTOP);
        Ok(())
    }

    /// Lets them all go on.
    pub(crate) fn thaw(&self) -> anyhow::Result<()> {
        signal_all(&children(self.pid()?), Signal::SIGCONT);
        self.tell(Signal::SIGCONT)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.is_some() {
            let _ = self.thaw();
            let _ = self.tell(Signal::SIGQUIT);
        }
        if let Some(mut server) = self.server.take() {
            let _ = server.wait();
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn signal_all(pids: &[u32], signal: Signal) {
    for pid in pids {
        let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
    }
}

/// The service needs its password; the superuser comes through the socket, whose directory only we know.
const HBA: &str = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// What is committed stays; the rest only makes a restart under test quick to see.
const USUAL: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "log_min_messages=warning",
    "log_min_error_statement=panic",
    "max_connections=100",
];
