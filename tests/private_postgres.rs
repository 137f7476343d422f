//! With nothing configured the service brings its own PostgreSQL, and keeps what is in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tokio::task::spawn_blocking;

use crate::support::{Service, eventually, flower, home, measured, spawn};

/// Promised are 3 s to listen on a first start and 1.5 s on a later one, on a machine that does nothing else; here all
/// the other tests run as well.
const FIRST_START: Duration = Duration::from_secs(3 * 3);
const LATER_START: Duration = Duration::from_millis(3 * 1_500);

/// Starts a service on this directory and says how it went.
async fn start(data_dir: &Path, what: &str, promised: Duration) -> Service {
    let started = Instant::now();
    let service = Service::start_private(data_dir).await;
    let took = started.elapsed();
    measured(what, took);
    assert!(took < promised, "{what}: {took:?}");
    service
}

/// What the record answers to a question put with the psql line of the log, as pasted into a shell.
async fn ask(service: &mut Service, sql: &str) -> String {
    let line = service.log().wait_for("psql ").await;
    let line = format!("{line} -X -Atc \"{sql}\"");
    let output = spawn_blocking(move || Command::new("sh").args(["-c", &line]).output().unwrap());
    let output = output.await.unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    answer.trim_end().to_owned()
}

const ROWS: &str = "select count(*) from raw_data join prediction using (id)";

/// The process that says it is the PostgreSQL of this data directory.
pub(crate) fn postmaster(data_dir: &Path) -> Option<Pid> {
    let file = fs::read_to_string(data_dir.join("postgres/postmaster.pid")).ok()?;
    Some(Pid::from_raw(file.lines().next()?.parse().ok()?))
}

/// How many processes have the data directory on their command line.
pub(crate) fn processes(data_dir: &Path) -> usize {
    let listing = Command::new("ps").args(["-A", "-ww", "-o", "command="]).output().unwrap();
    let name = data_dir.to_str().unwrap();
    String::from_utf8_lossy(&listing.stdout).lines().filter(|line| line.contains(name)).count()
}

#[tokio::test]
async fn the_record_outlives_the_service_however_it_ends() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut service = start(&data_dir, "first start", FIRST_START).await;
    service.predict(&flower()).await;
    assert_eq!(ask(&mut service, ROWS).await, "1");
    assert!(processes(&data_dir) > 0);
    let asked = Instant::now();
    assert_eq!(service.stop().await.code(), Some(0));
    measured("clean stop", asked.elapsed());
    assert_eq!(processes(&data_dir), 0);
    assert_eq!(postmaster(&data_dir), None);

    let mut service = start(&data_dir, "later start", LATER_START).await;
    assert_eq!(ask(&mut service, ROWS).await, "1");
    service.predict(&flower()).await;
    let before = postmaster(&data_dir).unwrap();
    service.signal(Signal::SIGKILL);
    service.ended().await;

    // At once: the PostgreSQL of the one before may still be on its way out.
    let mut service = start(&data_dir, "start after kill -9", 2 * LATER_START).await;
    assert_ne!(postmaster(&data_dir), Some(before));
    assert_eq!(ask(&mut service, ROWS).await, "2");
    service.predict(&flower()).await;
    assert_eq!(ask(&mut service, ROWS).await, "3");
    assert_eq!(service.stop().await.code(), Some(0));
    assert_eq!(processes(&data_dir), 0);
}

#[tokio::test]
async fn a_killed_postgres_comes_back_and_so_does_the_service() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut service = Service::start_private(&data_dir).await;
    for round in 1..=3 {
        let before = service.predict(&flower()).await;
        let killed = postmaster(&data_dir).unwrap();
        kill(killed, Signal::SIGKILL).unwrap();
        let was_away = Instant::now();
        eventually("another PostgreSQL runs", async || {
            postmaster(&data_dir).is_some_and(|pid| pid != killed)
        })
        .await;
        eventually("the service predicts again", async || {
            let answered = service.post("/predict", &flower()).send().await.unwrap();
            answered.status() == 200
        })
        .await;
        measured("predicting again after PostgreSQL was killed", was_away.elapsed());
        let path = format!("/predictions/{}", before["id"].as_str().unwrap());
        eventually("the record is read again", async || service.get(&path).await.status() == 200)
            .await;
        let rows: i32 = ask(&mut service, ROWS).await.parse().unwrap();
        // A request that was told to come again may have left its row.
        assert!(rows >= 2 * round, "{rows}");
    }
    assert_eq!(service.stop().await.code(), Some(0));
    assert_eq!(processes(&data_dir), 0);
}

#[tokio::test]
async fn a_data_directory_has_one_service() {
    let home = home();
    let data_dir = home.path().join("data");
    let service = Service::start_private(&data_dir).await;
    let mut command = Service::command();
    command.env("DATA_DIR", &data_dir);
    let (mut second, mut log) = spawn(command);
    let line = log.wait_for("is in use by another service").await;
    let status = spawn_blocking(move || second.wait().unwrap()).await.unwrap();
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    assert!(line.contains(&data_dir.canonicalize().unwrap().display().to_string()), "{line}");
    // The first one did not notice.
    service.predict(&flower()).await;
}

/// As cleaners of `/tmp` do, which is where the socket is when the path of the data directory has a space.
#[tokio::test]
async fn a_socket_that_is_cleaned_away_comes_back() {
    let home = home();
    let data_dir = home.path().join("my data");
    let mut service = Service::start_private(&data_dir).await;
    service.predict(&flower()).await;
    let line = service.log().wait_for("psql ").await;
    let directory = line.split("host=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(directory.starts_with("/tmp/onrecord-"), "{line}");
    let socket = Path::new(&directory).join(".s.PGSQL.5432");
    for round in [2, 3] {
        let before = postmaster(&data_dir).unwrap();
        if round == 2 {
            fs::remove_dir_all(&directory).unwrap();
        } else {
            fs::remove_file(&socket).unwrap();
        }
        service.log().wait_for("nobody can reach it any more").await;
        eventually("another PostgreSQL is ready", async || {
            postmaster(&data_dir).is_some_and(|pid| pid != before) && socket.exists()
        })
        .await;
        eventually("the service predicts again", async || {
            let answered = service.post("/predict", &flower()).send().await.unwrap();
            answered.status() == 200
        })
        .await;
        let rows: i32 = ask(&mut service, ROWS).await.parse().unwrap();
        assert!(rows >= round, "{rows}");
    }
    assert_eq!(service.stop().await.code(), Some(0));
}

/// Removes a stand-in at the end, and the directory of all of them if nothing else is in it.
struct StandIn(PathBuf);

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

/// A start on this data directory, which must be refused, and what it says.
async fn refusal(data_dir: &Path) -> String {
    let mut command = Service::command();
    command.env("DATA_DIR", data_dir);
    let (mut process, mut log) = spawn(command);
    let said = log.wait_for("the private PostgreSQL cannot be used").await;
    assert!(!process.wait().unwrap().success());
    said
}

/// As under `/root`: PostgreSQL's user may not enter there.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that cannot apply says why")]
async fn the_record_of_root_follows_its_data_directory() {
    if !geteuid().is_root() {
        eprintln!("not applicable: it takes root");
        return;
    }
    let home = home();
    let (project, moved) = (home.path().join("proj"), home.path().join("project"));
    fs::create_dir(&project).unwrap();
    fs::set_permissions(&project, Permissions::from_mode(0o700)).unwrap();
    let mut service = Service::start_private(&project.join("data")).await;
    service.predict(&flower()).await;
    let words = fs::read_to_string(project.join("data/cluster-elsewhere")).unwrap();
    let stand_in = StandIn(words.lines().last().unwrap().into());
    assert!(stand_in.0.join("postgres").exists(), "{words}");
    assert!(words.contains("does not hold the record"), "{words}");
    assert_eq!(ask(&mut service, ROWS).await, "1");
    assert_eq!(service.stop().await.code(), Some(0));

    fs::rename(&project, &moved).unwrap();
    let mut service = Service::start_private(&moved.join("data")).await;
    let line = service.log().wait_for("its record stays in").await;
    assert!(line.contains(moved.to_str().unwrap()), "{line}");
    assert_eq!(ask(&mut service, ROWS).await, "1");
    service.predict(&flower()).await;

    // While it runs, and when it does not.
    let copied = Command::new("cp").arg("-r").args([&moved, &project]).status().unwrap();
    assert!(copied.success());
    let running = refusal(&project.join("data")).await;
    assert_eq!(service.stop().await.code(), Some(0));
    let stopped = refusal(&project.join("data")).await;
    for said in [running, stopped] {
        assert!(said.contains("is a copy of") && said.contains("go on with"), "{said}");
    }

    let mut service = Service::start_private(&moved.join("data")).await;
    assert_eq!(ask(&mut service, ROWS).await, "2");
    assert_eq!(service.stop().await.code(), Some(0));
    fs::remove_dir_all(&stand_in.0).unwrap();
    let said = refusal(&moved.join("data")).await;
    assert!(said.contains("there is no cluster") && said.contains("restore that"), "{said}");
}
