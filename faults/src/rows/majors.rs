//! Row 48: each major version of PostgreSQL that is served, killed under load.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::installation::Installation;
use crate::run::Run;
use crate::scene::{Scene, Setup};

pub(super) async fn served(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    for major in 14..=18 {
        let programs = place()?.join(major.to_string()).join("bin");
        ensure!(
            programs.join("postgres").exists(),
            "PostgreSQL {major} is not there: `python3 faults/majors.py` brings it"
        );
        let scratch = run.scratch.join(format!("major-{major}"));
        std::fs::create_dir(&scratch)?;
        let found = spawn_blocking(move || Installation::find_in(&scratch, Some(programs)));
        let run = run.on(found.await??);
        let mut scene = Scene::set(&run, Setup::default()).await?;
        let version = "select current_setting('server_version')";
        let version: String = scene.postgres.connect().await?.query_one(version, &[]).await?.get(0);
        let work = scene.work(CLIENTS);
        work.load.acknowledged(200).await?;
        for _ in 0..run.scaled(5, 1) {
            sleep(Duration::from_secs(run.scaled(2, 1))).await;
            scene.postgres.kill_all().await?;
            scene.postgres.start().await?;
            finding.recovered("after a crash", scene.well(&work.load).await?);
        }
        work.load.acknowledged(200).await?;
        scene.conclude(work, Allowed::Answers, &mut finding).await?;
        finding.note(version);
    }
    Ok(finding)
}

/// Where `faults/majors.py` puts them: beside the programs that are built.
fn place() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("the harness is in no directory")?;
    Ok(target.join("majors"))
}
