//! Rows 13 to 15: PostgreSQL's disks are full, or fail.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::ledger::{Doubt, Ledger, Outcome};
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// Mounts a file system in memory; it goes with the namespace.
pub(super) fn mount(run: &Run, name: &str, megabytes: u32) -> anyhow::Result<PathBuf> {
    ensure!(crate::enclosure::is_enclosed(), "only among mounts of its own");
    let place = run.scratch.join(name);
    fs::create_dir_all(&place)?;
    let size = format!("size={megabytes}m,mode=755");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&place).output()?;
    ensure!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
    Ok(place)
}

/// Takes it away again.
pub(super) fn unmount(place: &Path) {
    let _ = Command::new("umount").arg("-l").arg(place).output();
}

/// Fills the file system of a directory to its last byte and gives the file that does.
pub(super) fn fill(place: &Path) -> anyhow::Result<PathBuf> {
    let ballast = place.join("ballast");
    let mut file = File::create(&ballast)?;
    let mut size = 1 << 20;
    while size > 0 {
        if file.write(&vec![1; size]).unwrap_or(0) < size {
            size /= 2;
        }
    }
    Ok(ballast)
}

/// Waits until so many requests were told 503.
pub(super) async fn refused(ledger: &Ledger, more: usize) -> anyhow::Result<()> {
    let count = || {
        let refused =
            |outcome: &Outcome| matches!(outcome, Outcome::Indeterminate(Doubt::Unavailable));
        ledger.entries().iter().filter(|entry| refused(&entry.outcome)).count()
    };
    let (before, begun) = (count(), Instant::now());
    while count() < before + more {
        ensure!(begun.elapsed() < Duration::from_secs(60), "the fault has no effect");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Row 13: no space for the tables (53100).
pub(super) async fn data_disk_full(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let (place, wal) = (mount(&run, "full", 140)?, run.scratch.join("wal-elsewhere"));
    fs::create_dir_all(&wal)?;
    let home = place.join("postgres");
    let setup = Setup { home: Some(home), wal: Some(wal.clone()), ..Setup::default() };
    let scene = Scene::set(&run, setup).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    let ballast = fill(&place)?;
    refused(scene.client.ledger(), 20).await?;
    sleep(Duration::from_secs(run.scaled(10, 3))).await;
    fs::remove_file(ballast)?;
    finding.recovered("after there was space", scene.well(&work.load).await?);
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    drop(scene);
    unmount(&place);
    fs::remove_dir_all(wal)?;
    Ok(finding)
}

/// Row 14: no space for the WAL: PostgreSQL panics.
pub(super) async fn wal_disk_full(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let place = mount(&run, "wal", 64)?;
    let setup = Setup {
        wal: Some(place.clone()),
        settings: vec!["min_wal_size=32MB", "max_wal_size=1GB"],
        ..Setup::default()
    };
    let mut scene = Scene::set(&run, setup).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    let ballast = fill(&place)?;
    let pid = scene.postgres.pid()?;
    // The load alone would take minutes to fill the segment.
    let admin = scene.postgres.connect().await?;
    let begun = Instant::now();
    while crate::resources::is_running(pid)
        && admin.batch_execute("select pg_switch_wal()").await.is_ok()
    {
        ensure!(begun.elapsed() < Duration::from_secs(60), "the WAL does not fill up");
        sleep(Duration::from_millis(50)).await;
    }
    refused(scene.client.ledger(), 20).await?;
    sleep(Duration::from_secs(run.scaled(10, 3))).await;
    let log = fs::read_to_string(scene.postgres.log())?;
    finding.require(log.contains("No space left"), || format!("no space was lacking: {log}"));
    fs::remove_file(ballast)?;
    // It may have given up, or be about to.
    if scene.postgres.is_running() {
        scene.postgres.stop(Signal::SIGQUIT).await?;
    } else {
        scene.postgres.ended().await?;
    }
    scene.postgres.start().await?;
    finding.recovered("after there was space", scene.well(&work.load).await?);
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    drop(scene);
    unmount(&place);
    Ok(finding)
}

/// Words that run a command in which each process's flushes fail with EIO, after so many that go well.
pub(super) fn failing_flushes(after: u32) -> Vec<String> {
    let calls = "fdatasync,fsync";
    let inject = format!("inject={calls}:error=EIO:when={after}+{after}");
    let trace = format!("trace={calls}");
    let words =
        ["strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    words.map(str::to_owned).into()
}

/// Row 15: `fdatasync` of the WAL fails with EIO now and then: PostgreSQL panics and recovers.
pub(super) async fn flush_fails(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut scene = Scene::set(&run, Setup::default()).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    scene.postgres.stop(Signal::SIGINT).await?;
    scene.postgres.wrapper = failing_flushes(100);
    scene.postgres.start().await?;
    let lasts = Duration::from_secs(run.scaled(40, 8));
    let begun = Instant::now();
    let mut starts = 0;
    while begun.elapsed() < lasts {
        // Recovery itself may fail, and then the postmaster ends.
        if scene.postgres.pid().is_err() || !scene.postgres.is_running() {
            if scene.postgres.pid().is_ok() {
                scene.postgres.ended().await?;
            }
            let started = scene.postgres.start().await;
            starts += usize::from(started.is_ok());
        }
        sleep(Duration::from_millis(100)).await;
    }
    let panics =
        fs::read_to_string(scene.postgres.log()).context("no log")?.matches("PANIC").count();
    finding.note(format!("{panics} panics, {starts} starts"));
    finding.require_in_time(panics > 0, || "no flush failed".to_owned());
    scene.postgres.wrapper.clear();
    if scene.postgres.is_running() {
        scene.postgres.stop(Signal::SIGQUIT).await?;
    } else {
        scene.postgres.ended().await?;
    }
    scene.postgres.start().await?;
    finding.recovered("with a good disk", scene.well(&work.load).await?);
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}
