//! What a supervisor like systemd is told: when the service is ready, that it works, and that it ends.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, SocketAddr};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixDatagram};
use tokio::time::timeout;

use crate::support::{Service, TestDatabase, count, eventually, flower};

/// A supervisor that wants to hear something twice a second.
const SILENCE: Duration = Duration::from_millis(500);

/// The place of systemd: a socket that is told, in a directory of its own.
struct Supervisor {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Supervisor {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        Self { socket, directory }
    }

    /// The service on this database, as the supervisor starts it.
    fn command(&self, database: &TestDatabase) -> Command {
        let mut command = Service::command();
        command.env("DATABASE_URL", database.url());
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify"));
        command.env("WATCHDOG_USEC", SILENCE.as_micros().to_string());
        command
    }

    /// What it is told next.
    async fn told(&self) -> String {
        let mut words = [0; 512];
        let told = timeout(Duration::from_secs(60), self.socket.recv(&mut words)).await;
        let length = told.expect("nothing is told").unwrap();
        String::from_utf8(words[..length].to_vec()).unwrap()
    }

    fn has_been_told_nothing(&self) -> bool {
        self.socket.try_recv(&mut [0; 512]).is_err()
    }
}

#[tokio::test]
async fn a_supervisor_hears_of_the_start_of_life_and_of_the_end() {
    let (database, supervisor) = (TestDatabase::create().await, Supervisor::new());
    let mut command = supervisor.command(&database);
    command.env("DRAIN_SECONDS", "3600");
    let service = Service::spawn(command, false).await;

    let started = format!("READY=1\nSTATUS=Listening on http://{}", service.socket());
    assert_eq!(supervisor.told().await, started);
    TcpStream::connect(service.socket()).await.unwrap();
    for _ in 0..4 {
        assert_eq!(supervisor.told().await, "WATCHDOG=1");
    }

    service.signal(Signal::SIGTERM);
    let mut told = supervisor.told().await;
    while told == "WATCHDOG=1" {
        told = supervisor.told().await;
    }
    assert_eq!(told, "STOPPING=1\nSTATUS=Finishing what is in flight");
    // It serves on, and is not ended for being silent meanwhile.
    for _ in 0..4 {
        assert_eq!(supervisor.told().await, "WATCHDOG=1");
    }
    service.predict(&flower()).await;
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_service_that_waits_for_its_record_is_not_said_to_be_ready() {
    let (database, supervisor) = (TestDatabase::create().await, Supervisor::new());
    let sql = database.connect().await;
    let lock = i64::from_be_bytes(*b"onrecord");
    sql.execute("select pg_advisory_lock($1)", &[&lock]).await.unwrap();
    let starting = tokio::spawn(Service::spawn(supervisor.command(&database), false));
    let waiting = "select count(*) from pg_stat_activity
                   where datname = current_database() and wait_event = 'advisory'";
    eventually("it waits", async || count(&sql, waiting).await == 1).await;
    assert!(supervisor.has_been_told_nothing());

    sql.execute("select pg_advisory_unlock($1)", &[&lock]).await.unwrap();
    assert!(supervisor.told().await.starts_with("READY=1\n"));
    assert_eq!(starting.await.unwrap().stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_supervisor_may_be_reached_without_a_file() {
    let database = TestDatabase::create().await;
    let name = format!("onrecord-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = net::UnixDatagram::bind_addr(&address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let named = [("NOTIFY_SOCKET", format!("@{name}"))];
    let service = Service::start_with(&database, named).await;
    let mut words = [0; 8];
    assert_eq!(socket.recv(&mut words).unwrap(), 8);
    assert_eq!(&words, b"READY=1\n");
    // Nobody said that it wants to hear more.
    socket.set_nonblocking(true).unwrap();
    assert_eq!(service.stop().await.code(), Some(0));
    assert_eq!(socket.recv(&mut words).unwrap(), 8);
    assert_eq!(&words, b"STOPPING");
}

#[tokio::test]
async fn the_proof_of_life_is_for_the_process_that_was_asked_for_it() {
    let (database, supervisor) = (TestDatabase::create().await, Supervisor::new());
    let mut command = supervisor.command(&database);
    command.env("WATCHDOG_PID", "1");
    let service = Service::spawn(command, false).await;
    assert!(supervisor.told().await.starts_with("READY=1\n"));
    assert_eq!(service.stop().await.code(), Some(0));
    assert!(supervisor.told().await.starts_with("STOPPING=1\n"));
}

/// What cannot be told is no reason not to serve.
#[tokio::test]
async fn a_supervisor_that_cannot_be_reached_costs_a_line_in_the_log() {
    let database = TestDatabase::create().await;
    for (name, said) in [
        ("vsock:2:1", "NOTIFY_SOCKET cannot be used"),
        ("/no/such/socket", "was not told «READY=1»: No such file"),
    ] {
        let mut service = Service::start_with(&database, [("NOTIFY_SOCKET", name)]).await;
        service.log().wait_for(said).await;
        service.predict(&flower()).await;
        assert_eq!(service.stop().await.code(), Some(0));
    }
}
