//! Row 33: the clock of the service jumps, forwards and backwards.

use std::time::Duration;

use tokio::time::sleep;

use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// The library that gives a process another clock.
pub(super) const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

pub(super) async fn clock_jumps(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let clock = run.scratch.join("clock");
    std::fs::write(&clock, "+0")?;
    let launch = run
        .launch()
        .set("LD_PRELOAD", FAKETIME)
        .set("FAKETIME_TIMESTAMP_FILE", clock.display().to_string())
        .set("FAKETIME_NO_CACHE", "1")
        .set("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .set("DONT_FAKE_MONOTONIC", "1");
    let scene = Scene::set(&run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    let work = scene.work(CLIENTS);
    for _ in 0..run.scaled(5, 1) {
        for jump in ["+3600", "-3600", "+1", "+0", "-1", "+86400", "+0"] {
            // Replaced as a whole: the library may read it at any moment.
            let next = clock.with_extension("next");
            std::fs::write(&next, jump)?;
            std::fs::rename(&next, &clock)?;
            work.load.acknowledged(50).await?;
            sleep(Duration::from_millis(1_500)).await;
        }
    }
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    let spread: f64 = scene
        .postgres
        .connect()
        .await?
        .query_one("select extract(epoch from max(\"timestamp\") - min(\"timestamp\"))::float8 from raw_data", &[])
        .await?
        .get(0);
    finding.note(format!("timestamps over {:.1} hours", spread / 3600.0));
    finding.require(spread > 3_600.0, || "the clock did not jump".to_owned());
    Ok(finding)
}
