//! Rows 34 to 36: the spool, where answers wait while the database is away.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use super::disks::{failing_flushes, fill, mount, refused, unmount};
use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::ledger::Outcome;
use crate::run::Run;
use crate::scene::{Scene, Setup};
use crate::service::Launch;

fn spooling(run: &Run, directory: &Path) -> Launch {
    run.launch().set("SPOOL_DIR", directory.display().to_string())
}

fn directory(run: &Run, name: &str) -> anyhow::Result<PathBuf> {
    let directory = run.scratch.join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Row 34: the spool's disk is full, fails, or is read-only: then nothing more is acknowledged while the database is away.
pub(super) async fn disk_full(run: Run) -> anyhow::Result<Finding> {
    let mut finding = full(&run).await?;
    finding.absorb(failing(&run).await?);
    finding.absorb(read_only(&run).await?);
    Ok(finding)
}

async fn full(run: &Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let place = mount(run, "spool-full", 8)?;
    let launch = spooling(run, &place.join("spool"));
    let mut scene = Scene::set(run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(50).await?;
    scene.postgres.stop(Signal::SIGQUIT).await?;
    work.load.acknowledged(20).await?;
    let ballast = fill(&place)?;
    refused(scene.client.ledger(), 20).await?;
    sleep(Duration::from_secs(run.scaled(10, 2))).await;
    fs::remove_file(ballast)?;
    scene.postgres.start().await?;
    finding.recovered("after there was space", scene.well(&work.load).await?);
    work.load.acknowledged(50).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    drop(scene);
    unmount(&place);
    Ok(finding)
}

async fn failing(run: &Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut launch = spooling(run, &directory(run, "spool-failing")?);
    launch.wrapper = failing_flushes(20);
    let mut scene = Scene::set(run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(50).await?;
    scene.postgres.stop(Signal::SIGQUIT).await?;
    refused(scene.client.ledger(), 20).await?;
    sleep(Duration::from_secs(run.scaled(10, 2))).await;
    scene.postgres.start().await?;
    scene.well(&work.load).await?;
    // A spool whose disk has failed is given up until the next start.
    scene.service.stop().await?;
    scene.service.launch.wrapper.clear();
    finding.recovered("with a good disk", scene.restart_service().await?);
    work.load.acknowledged(50).await?;
    scene.conclude(work, Allowed::Breaks, &mut finding).await?;
    Ok(finding)
}

/// Either the service refuses to start, or it starts and acknowledges nothing while the database is away.
async fn read_only(run: &Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let place = mount(run, "spool-read-only", 8)?;
    let launch = spooling(run, &place.join("spool"));
    let mut scene = Scene::set(run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    scene.service.stop().await?;
    remount(&place, "ro")?;
    match scene.service.start().await {
        Err(refusal) => {
            finding.note(format!("with a read-only disk: {refusal:#}"));
            let log = scene.service.log.lines().join("\n");
            finding.require(!log.contains("panicked"), || "it panicked".to_owned());
        }
        Ok(()) => {
            scene.postgres.stop(Signal::SIGQUIT).await?;
            let mut acknowledged = 0;
            for _ in 0..20 {
                let told = scene.client.send(&scene.client.ledger().attempt(1, None)).await?;
                acknowledged += usize::from(matches!(told, Outcome::Acknowledged(..)));
            }
            finding.require(acknowledged == 0, || {
                format!("{acknowledged} acknowledged with a read-only disk")
            });
            scene.postgres.start().await?;
            scene.service.stop().await?;
        }
    }
    remount(&place, "rw")?;
    finding.recovered("with a disk to write on", scene.restart_service().await?);
    scene.judge(None, Allowed::Breaks, &mut finding).await?;
    drop(scene);
    unmount(&place);
    Ok(finding)
}

fn remount(place: &Path, how: &str) -> anyhow::Result<()> {
    let option = format!("remount,{how}");
    let done = Command::new("mount").args(["-o", &option]).arg(place).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// Row 35: after a crash the end of the spool is torn, or bits of it are flipped: the service starts, what is intact
/// reaches the record, and nothing wrong does.
pub(super) async fn torn(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("torn spool");
    let times = run.scaled(20, 4);
    for number in 0..times {
        let place = directory(&run, &format!("torn-{number}"))?;
        let setup = Setup { launch: Some(spooling(&run, &place)), ..Setup::default() };
        let mut scene = Scene::set(&run, setup).await?;
        let work = scene.work(CLIENTS);
        work.load.acknowledged(50).await?;
        scene.postgres.stop(Signal::SIGQUIT).await?;
        work.load.acknowledged(300).await?;
        scene.service.kill().await?;
        let harm = damage(&place, number % 2 == 0, &mut random)?;
        scene.postgres.start().await?;
        finding.recovered("with a damaged spool", scene.restart_service().await?);
        work.load.acknowledged(50).await?;
        work.load.finish().await?;
        let mut verdict = scene.verdict().await?;
        finding.note(format!("{harm}: {} rows gone", verdict.lost));
        // What was torn off is gone; a tenth of the spool is more than was torn off.
        let most = verdict.acknowledged / 10;
        finding.require(verdict.lost <= 50 * most, || {
            format!("{harm}: {} rows are lost", verdict.lost)
        });
        verdict.lost = 0;
        finding.judged(verdict);
        finding.told(&scene.client.ledger().entries(), Allowed::Breaks);
    }
    Ok(finding)
}

/// Tears off or flips bits in the last page of the largest file.
fn damage(place: &Path, tears: bool, random: &mut ChaCha8Rng) -> anyhow::Result<String> {
    // The directory of its own that the spool makes in what it is given.
    let files = fs::read_dir(place.join("onrecord-spool"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file());
    let size = |path: &PathBuf| fs::metadata(path).map_or(0, |file| file.len());
    let largest = files.max_by_key(size).context("the spool has no file")?;
    let (length, file) =
        (size(&largest), fs::File::options().write(true).read(true).open(&largest)?);
    let name = largest.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if tears {
        let torn = random.random_range(1..4_096).min(length);
        file.set_len(length - torn)?;
        return Ok(format!("{torn} bytes torn off {name}"));
    }
    let place = length.saturating_sub(random.random_range(1..4_096));
    let mut byte = [0];
    file.read_exact_at(&mut byte, place)?;
    byte[0] ^= 1 << random.random_range(0..8);
    file.write_all_at(&byte, place)?;
    Ok(format!("a bit flipped in {name}"))
}

/// Row 36: the service is killed while it brings the spool to the record, again and again: each row arrives once.
pub(super) async fn killed_in_replay(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("killed in replay");
    let place = directory(&run, "replayed")?;
    let setup = Setup { launch: Some(spooling(&run, &place)), ..Setup::default() };
    let mut scene = Scene::set(&run, setup).await?;
    let work = scene.work(CLIENTS);
    let times = run.scaled(100, 5);
    for _ in 0..times {
        work.load.acknowledged(50).await?;
        scene.postgres.stop(Signal::SIGQUIT).await?;
        work.load.acknowledged(100).await?;
        scene.postgres.start().await?;
        sleep(Duration::from_millis(random.random_range(0..300))).await;
        scene.service.kill().await?;
        finding.recovered("killed in replay", scene.restart_service().await?);
    }
    finding.note(format!("{times} kills"));
    work.load.acknowledged(50).await?;
    scene.conclude(work, Allowed::Breaks, &mut finding).await?;
    Ok(finding)
}
