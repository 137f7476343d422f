//! Three replicas of the service on one PostgreSQL: haproxy before them, PgBouncer behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::client::Address;
use crate::postgres::{PASSWORD, Postgres, SERVICE_ROLE};
use crate::run::Run;
use crate::service::{Launch, Service};

/// What haproxy calls the replicas.
const NAMES: [&str; 3] = ["one", "two", "three"];

/// The name by which haproxy asks the replicas whether they are well.
const PROXY: &str = "onrecord";

/// How long anything of it may take to come up, or to be noticed.
const PATIENCE: Duration = Duration::from_secs(60);

/// For how long a replica serves on that was asked to stop: haproxy looks every second, and believes the second look.
const DRAIN: &str = "4";

/// Everything between the clients and PostgreSQL; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    // Dropped in this order.
    haproxy: Helper,
    pub(crate) replicas: Vec<Service>,
    _pgbouncer: Helper,
    /// How a replica is started from now on.
    pub(crate) launch: Launch,
    socket: PathBuf,
    address: Address,
}

/// A program beside the service; stopped when dropped.
#[derive(Debug)]
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// A port that nobody keeps; the few who might take it are all ours.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A file of `deploy/`.
fn deployed(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy")).join(file)
}

impl Fleet {
    /// Starts all of it; the first replicas by `first`, if that is another program than the one under test.
    pub(crate) async fn start(
        run: &Run,
        postgres: &Postgres,
        first: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let place = run.scratch.join("fleet");
        fs::create_dir_all(&place)?;
        run.installation.own(&place)?;
        let (pgbouncer, pooled) = pgbouncer(run, postgres, &place)?;
        let direct = postgres.url(postgres.port);
        let launch = run
            .launch()
            .set("DATABASE_URL", postgres.url(pooled))
            .set("DATABASE_POOLER", "transaction")
            .set("MAINTENANCE_DATABASE_URL", direct.as_str())
            .set("DRAIN_SECONDS", DRAIN)
            .set("ALLOWED_HOST", PROXY);
        let mut replicas = Vec::new();
        for _ in NAMES {
            let launch = match &first {
                Some(program) => Launch::new(program.clone())
                    .set("DATABASE_URL", direct.as_str())
                    .set("ALLOWED_HOST", PROXY),
                None => launch.clone(),
            };
            let mut replica = Service::new(launch, run.log());
            replica.start().await?;
            replicas.push(replica);
        }
        let (socket, port) = (place.join("haproxy.sock"), free_port()?);
        let address = Address::default();
        address.set(format!("http://127.0.0.1:{port}"));
        let haproxy = haproxy(&replicas, &socket, port, &place)?;
        let fleet = Self { haproxy, replicas, _pgbouncer: pgbouncer, launch, socket, address };
        for name in NAMES {
            fleet.until(name, "UP").await?;
        }
        Ok(fleet)
    }

    /// Where clients find it.
    pub(crate) fn address(&self) -> Address {
        self.address.clone()
    }

    /// Stops one replica, starts it anew, and waits until haproxy sends it requests again.
    pub(crate) async fn restart(&mut self, number: usize) -> anyhow::Result<()> {
        let name = NAMES.get(number).context("there is no such replica")?;
        let drains = self.replica(number)?.launch.variables.contains_key("DRAIN_SECONDS");
        if !drains {
            self.say(&format!("set server onrecord/{name} state drain")).await?;
            self.until_idle(name).await?;
        }
        let launch = self.launch.clone();
        let replica = self.replica(number)?;
        let status = replica.stop().await?;
        anyhow::ensure!(status.success(), "replica {name} ended with {status}");
        replica.launch = launch;
        replica.start().await?;
        if !drains {
            self.say(&format!("set server onrecord/{name} state ready")).await?;
        }
        self.until(name, "UP").await
    }

    fn replica(&mut self, number: usize) -> anyhow::Result<&mut Service> {
        self.replicas.get_mut(number).context("there is no such replica")
    }

    /// Whether haproxy and the replicas run.
    pub(crate) fn is_whole(&mut self) -> anyhow::Result<bool> {
        let mut is_whole = self.haproxy.0.try_wait()?.is_none();
        for replica in &mut self.replicas {
            is_whole &= replica.exited()?.is_none();
        }
        Ok(is_whole)
    }

    /// What haproxy says to a command.
    async fn say(&self, command: &str) -> anyhow::Result<String> {
        let mut socket = UnixStream::connect(&self.socket).await?;
        socket.write_all(format!("{command}\n").as_bytes()).await?;
        let mut said = String::new();
        socket.read_to_string(&mut said).await?;
        Ok(said)
    }

    /// A column of what haproxy knows of a replica.
    async fn column(&self, name: &str, column: &str) -> anyhow::Result<String> {
        let said = self.say("show stat").await?;
        let mut lines = said.lines();
        let head = lines.next().context("haproxy says nothing")?.trim_start_matches("# ");
        let place = head.split(',').position(|it| it == column).context("no such column")?;
        let line = lines.find(|line| line.starts_with(&format!("onrecord,{name},")));
        let value = line.and_then(|line| line.split(',').nth(place));
        Ok(value.context("haproxy does not know the replica")?.to_owned())
    }

    async fn until(&self, name: &str, status: &str) -> anyhow::Result<()> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let found = match self.column(name, "status").await {
                Ok(found) if found == status => return Ok(()),
                found => format!("{found:?}"),
            };
            if Instant::now() > give_up {
                bail!("for haproxy replica {name} is {found}");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn until_idle(&self, name: &str) -> anyhow::Result<()> {
        let give_up = Instant::now() + PATIENCE;
        while self.column(name, "scur").await? != "0" {
            if Instant::now() > give_up {
                bail!("replica {name} is never idle");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// haproxy as it is deployed.
fn haproxy(replicas: &[Service], socket: &Path, port: u16, place: &Path) -> anyhow::Result<Helper> {
    let mut command = std::process::Command::new("haproxy");
    command.arg("-db").arg("-f").arg(deployed("haproxy/haproxy.cfg")).env_clear();
    command.env("LISTEN", format!("127.0.0.1:{port}")).env("HAPROXY_SOCKET", socket);
    for (number, replica) in (1..).zip(replicas) {
        command.env(format!("ONRECORD_{number}"), replica.address().socket());
    }
    // By name it is found on the path of this process.
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    run_aside(command, &place.join("haproxy.log"))
}

/// PgBouncer as it is deployed, but for the names of the database and of the file with the secrets; and its port.
fn pgbouncer(run: &Run, postgres: &Postgres, place: &Path) -> anyhow::Result<(Helper, u16)> {
    let (port, users) = (free_port()?, place.join("users"));
    fs::write(&users, format!("\"{SERVICE_ROLE}\" \"{PASSWORD}\"\n"))?;
    let mut settings = String::new();
    for line in fs::read_to_string(deployed("pgbouncer/pgbouncer.ini"))?.lines() {
        let line = match line.split_once(" = ").map_or("", |(name, _)| name) {
            "onrecord" => format!(
                "{SERVICE_ROLE} = host=127.0.0.1 port={} dbname={SERVICE_ROLE}",
                postgres.port
            ),
            "listen_port" => format!("listen_port = {port}"),
            "auth_file" => format!("auth_file = {}", users.display()),
            _ => line.to_owned(),
        };
        settings += &line;
        settings.push('\n');
    }
    let file = place.join("pgbouncer.ini");
    fs::write(&file, settings)?;
    run.installation.own(&users)?;
    // It does not run as root.
    let mut command = run.installation.command(Path::new("pgbouncer"));
    command.arg(file);
    Ok((run_aside(command, &place.join("pgbouncer.log"))?, port))
}

fn run_aside(mut command: std::process::Command, log: &Path) -> anyhow::Result<Helper> {
    let log = File::create(log)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let name = command.get_program().display().to_string();
    Ok(Helper(command.spawn().with_context(|| format!("{name} cannot be run"))?))
}
