//! Rows 33 and 45: the clock of the service jumps, forwards and backwards, and is ahead by years.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::sleep;
use tokio_postgres::Client;

use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::run::Run;
use crate::scene::{Scene, Setup};
use crate::service::Launch;

/// The library that gives a process another clock.
pub(super) const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// The clock of a service, in seconds from the right time.
struct Clock(PathBuf);

impl Clock {
    /// One that is right, in a file of this name.
    fn right(run: &Run, name: &str) -> anyhow::Result<Self> {
        let clock = Self(run.scratch.join(name));
        clock.set("+0")?;
        Ok(clock)
    }

    /// Replaces the file as a whole: the library may read it at any moment.
    fn set(&self, seconds: &str) -> anyhow::Result<()> {
        let next = self.0.with_extension("next");
        std::fs::write(&next, seconds)?;
        Ok(std::fs::rename(&next, &self.0)?)
    }

    /// A service that goes by it.
    fn followed_by(&self, launch: Launch) -> Launch {
        launch
            .set("LD_PRELOAD", FAKETIME)
            .set("FAKETIME_TIMESTAMP_FILE", self.0.display().to_string())
            .set("FAKETIME_NO_CACHE", "1")
            .set("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .set("DONT_FAKE_MONOTONIC", "1")
    }
}

/// Row 33: by an hour and a day.
pub(super) async fn clock_jumps(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let clock = Clock::right(&run, "clock")?;
    let launch = clock.followed_by(run.launch());
    let scene = Scene::set(&run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    let work = scene.work(CLIENTS);
    for _ in 0..run.scaled(5, 1) {
        for jump in ["+3600", "-3600", "+1", "+0", "-1", "+86400", "+0"] {
            clock.set(jump)?;
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

/// The partitions of the predictions and their bounds.
async fn partitions(database: &Client) -> anyhow::Result<Vec<String>> {
    let all = "select relname || ' ' || pg_get_expr(relpartbound, oid) from pg_class
               where relispartition and relkind = 'r' order by 1";
    Ok(database.query(all, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// Row 45: one of two services has a clock that is three years ahead: from its start, and while it runs.
pub(super) async fn years_ahead(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let clock = Clock::right(&run, "clock-of-years")?;
    let launch = clock.followed_by(run.launch().set("RETAIN_DAYS", "7"));
    let scene = Scene::set(&run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    let admin = scene.postgres.connect().await?;
    let before = partitions(&admin).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    let ahead = "+94608000";
    let mut other = scene.service.launch.clone();
    other.variables.remove("FAKETIME_TIMESTAMP_FILE");
    let other = other.set("FAKETIME", ahead).set("LISTEN", "127.0.0.1:0");
    let (status, said) = other.run(Duration::from_secs(30)).await?;
    finding.require(!status.success() && said.contains("set the clock that is wrong"), || {
        format!("with a clock ahead it ended with {status}: {said}")
    });
    for _ in 0..run.scaled(5, 1) {
        clock.set(ahead)?;
        let give_up = Instant::now() + Duration::from_secs(10);
        while scene.client.get("/health/ready").await?.0 == 200 {
            ensure!(Instant::now() < give_up, "it is ready with a clock that is years ahead");
            sleep(Duration::from_millis(50)).await;
        }
        // Longer than from one upkeep to the next.
        sleep(Duration::from_secs(run.scaled(20, 2))).await;
        clock.set("+0")?;
        finding.recovered("with the right clock", scene.well(&work.load).await?);
    }
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    let after = partitions(&admin).await?;
    finding.require(before == after, || format!("partitions were {before:?} and are {after:?}"));
    Ok(finding)
}
