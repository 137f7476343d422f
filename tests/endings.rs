//! However the service ends, its private PostgreSQL ends with it; and signals are heard at every moment.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::spawn_blocking;

use crate::private_postgres::{postmaster, processes};
use crate::support::{
    Log, Service, TestDatabase, eventually, flower, home, in_a_terminal, measured, spawn,
};

/// How long PostgreSQL may take to end after its service.
const PROMISED: Duration = Duration::from_secs(15);

async fn check_nothing_is_left(data_dir: &Path, what: &str) {
    let ended = Instant::now();
    eventually(what, async || processes(data_dir) == 0).await;
    measured(what, ended.elapsed());
    assert!(ended.elapsed() < PROMISED, "{what}: {:?}", ended.elapsed());
    // It was shut down, and not killed.
    assert_eq!(postmaster(data_dir), None, "{what}");
}

/// The children of a process, by name.
pub(crate) fn children(of: Pid, name: &str) -> Vec<Pid> {
    let listing = Command::new("ps").args(["-A", "-o", "pid=,ppid=,stat=,comm="]).output().unwrap();
    let of = of.to_string();
    String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().try_into().ok())
        .filter(|[_, parent, _, its]: &[&str; 4]| *parent == of && *its == name)
        .map(|[pid, ..]| Pid::from_raw(pid.parse().unwrap()))
        .collect()
}

#[tokio::test]
async fn postgres_ends_with_a_service_that_is_killed() {
    let home = home();
    let data_dir = home.path().join("data");
    for signal in [Signal::SIGKILL, Signal::SIGABRT] {
        let service = Service::start_private(&data_dir).await;
        service.predict(&flower()).await;
        service.signal(signal);
        assert_eq!(service.ended().await.code(), None);
        check_nothing_is_left(&data_dir, signal.as_str()).await;
    }
    let service = Service::start_private(&data_dir).await;
    assert_eq!(service.get_json("/predictions").await["predictions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn postgres_ends_with_a_service_that_is_killed_while_it_is_made() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut command = Service::command();
    command.env("DATA_DIR", &data_dir);
    let (mut service, _log) = spawn(command);
    eventually("initdb is at work", async || processes(&data_dir) > 0).await;
    service.kill().unwrap();
    service.wait().unwrap();
    check_nothing_is_left(&data_dir, "killed in the first start").await;
    Service::start_private(&data_dir).await.predict(&flower()).await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_leaves_no_postgres_behind() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut command = Service::command();
    command.env("DATA_DIR", &data_dir).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut service = command.spawn().unwrap();
    let log = BufReader::new(service.stderr.take().unwrap());
    assert!(
        spawn_blocking(|| log.lines().any(|line| line.unwrap().contains("listening")))
            .await
            .unwrap()
    );
    kill(Pid::from_raw(service.id().cast_signed()), Signal::SIGTERM).unwrap();
    let status = spawn_blocking(move || service.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
    check_nothing_is_left(&data_dir, "a log without a reader").await;
}

#[tokio::test]
async fn sighup_is_harmless() {
    let database = TestDatabase::create().await;
    let mut service = Service::start(&database).await;
    service.signal(Signal::SIGHUP);
    service.log().wait_for("SIGHUP: the service goes on").await;
    service.predict(&flower()).await;
    assert_eq!(service.stop().await.code(), Some(0));

    let home = home();
    let data_dir = home.path().join("data");
    let mut service = Service::start_private(&data_dir).await;
    service.signal(Signal::SIGHUP);
    service.log().wait_for("SIGHUP: the service goes on").await;
    service.predict(&flower()).await;
    assert_eq!(service.stop().await.code(), Some(0));
    check_nothing_is_left(&data_dir, "SIGTERM").await;
}

/// Runs a service in a terminal, with these words after its name in a shell, and closes the terminal; gives its log.
#[cfg(target_os = "linux")]
async fn close_the_terminal(data_dir: &Path, words: &str, log: &Path) -> String {
    let mut command = Service::command();
    command.env("DATA_DIR", data_dir);
    let typed = log.with_extension("typed");
    let mut terminal = in_a_terminal(&command, words, &typed).spawn().unwrap();
    let said = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    eventually("it listens", async || {
        said(log).contains("listening on") || said(&typed).contains("listening on")
    })
    .await;
    let service = children(Pid::from_raw(terminal.id().cast_signed()), "onrecord")[0];
    // The system closes the terminal.
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    eventually("the service is gone", async || {
        let status = fs::read_to_string(format!("/proc/{service}/stat")).unwrap_or_default();
        status.is_empty() || status.contains(") Z ")
    })
    .await;
    said(log)
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that cannot apply says why")]
async fn a_terminal_that_is_closed_is_a_graceful_stop() {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("not applicable: there is no program `script`");
        return;
    }
    let home = home();
    let data_dir = home.path().join("data");
    let log = home.path().join("log");
    // The log is elsewhere, and tells how it ended.
    let said = close_the_terminal(&data_dir, &format!("2>{}", log.display()), &log).await;
    assert!(said.contains("the terminal is gone: finishing what is in flight"), "{said}");
    assert!(said.contains("everything in flight is answered"), "{said}");
    check_nothing_is_left(&data_dir, "a closed terminal").await;
    // The log went down with it.
    let said = close_the_terminal(&data_dir, "", &home.path().join("none")).await;
    assert_eq!(said, "");
    check_nothing_is_left(&data_dir, "a closed terminal with the log").await;
}

/// Starts this command of the service on a data directory and asks it to stop when `begun` says so.
async fn interrupt(
    data_dir: &Path,
    arguments: &[&str],
    signal: Signal,
    begun: impl AsyncFnOnce(&mut Log),
) -> (ExitStatus, String) {
    let mut command = Service::command();
    command.args(arguments).env("DATA_DIR", data_dir);
    let (mut process, mut log) = spawn(command);
    begun(&mut log).await;
    kill(Pid::from_raw(process.id().cast_signed()), signal).unwrap();
    log.wait_for("is called off").await;
    if let Some(frozen) = postmaster(data_dir) {
        let _ = kill(frozen, Signal::SIGCONT);
    }
    let status = spawn_blocking(move || process.wait().unwrap()).await.unwrap();
    log.ended().await;
    (status, log.lines().join("\n"))
}

#[tokio::test]
async fn signals_are_heard_while_postgres_is_made() {
    let home = home();
    let data_dir = home.path().join("data");
    // A command that is not done must not look like one that is.
    for (arguments, signal, code) in [
        (&[][..], Signal::SIGTERM, 0),
        (&[][..], Signal::SIGINT, 0),
        (&["migrate"][..], Signal::SIGTERM, 1),
        (&["upkeep"][..], Signal::SIGINT, 1),
    ] {
        let making = async |_: &mut Log| {
            eventually("initdb is at work", async || processes(&data_dir) > 0).await;
        };
        let (status, log) = interrupt(&data_dir, arguments, signal, making).await;
        assert_eq!(status.code(), Some(code), "{arguments:?}: {log}");
        assert_eq!(processes(&data_dir), 0, "{arguments:?}");
    }
    Service::start_private(&data_dir).await.predict(&flower()).await;
}

#[tokio::test]
async fn signals_are_heard_while_postgres_recovers() {
    let home = home();
    let data_dir = home.path().join("data");
    assert_eq!(Service::start_private(&data_dir).await.stop().await.code(), Some(0));
    // A frozen one is as one that recovers for long.
    let recovering = async |_: &mut Log| {
        let postgres = loop {
            if let Some(postgres) = postmaster(&data_dir) {
                break postgres;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        kill(postgres, Signal::SIGSTOP).unwrap();
    };
    let (status, log) = interrupt(&data_dir, &[], Signal::SIGTERM, recovering).await;
    assert_eq!(status.code(), Some(0), "{log}");
    check_nothing_is_left(&data_dir, "called off").await;
    Service::start_private(&data_dir).await.predict(&flower()).await;
}

/// The processes that have ended and for which nobody has waited, by parent.
#[cfg(target_os = "linux")]
fn zombies(parent: Pid) -> usize {
    let listing = Command::new("ps").args(["-A", "-o", "ppid=,stat="]).output().unwrap();
    let parent = parent.to_string();
    String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter(|(of, state)| *of == parent && state.trim().starts_with('Z'))
        .count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that cannot apply says why")]
async fn as_process_1_it_leaves_no_zombies() {
    const APART: [&str; 3] = ["--pid", "--fork", "--mount-proc"];
    let possible = Command::new("unshare").args(APART).arg("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("not applicable: this user may not make a namespace of processes");
        return;
    }
    let home = home();
    let data_dir = home.path().join("data");
    let plain = Service::command();
    let mut command = Command::new("unshare");
    command.args(APART).arg("--kill-child").arg(plain.get_program()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("DATA_DIR", &data_dir);
    let service = Service::spawn(command, true).await;
    let first = children(service.pid(), "onrecord")[0];
    for _ in 0..2 {
        let postgres = children(first, "postgres")[0];
        assert!(!children(postgres, "postgres").is_empty());
        kill(postgres, Signal::SIGKILL).unwrap();
        eventually("another PostgreSQL runs", async || {
            children(first, "postgres")
                .iter()
                .any(|pid| *pid != postgres && !children(*pid, "postgres").is_empty())
        })
        .await;
        eventually("the service predicts again", async || {
            service
                .post("/predict", &flower())
                .send()
                .await
                .is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        eventually("no zombie is left", async || zombies(first) == 0).await;
    }
    kill(first, Signal::SIGTERM).unwrap();
    assert_eq!(service.ended().await.code(), Some(0));
    check_nothing_is_left(&data_dir, "process 1").await;
}
