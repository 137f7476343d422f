//! Rows 6 and 12: connections to the database end again and again.

use std::time::{Duration, Instant};

use tokio::time::{interval, sleep};

use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::nemesis::terminate;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// How many of a hundred requests are answered with 200 all the same.
const SHARE: f64 = 0.99;

/// How often a connection ends.
const EVERY: Duration = Duration::from_millis(100);

/// Row 6: `pg_terminate_backend` on a random session, ten times a second.
pub(super) async fn terminated(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let scene = Scene::set(&run, Setup::default()).await?;
    let admin = scene.postgres.connect().await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    let (begun, lasts) = (Instant::now(), Duration::from_secs(run.scaled(60, 8)));
    let mut tick = interval(EVERY);
    let mut ended = 0;
    while begun.elapsed() < lasts {
        tick.tick().await;
        let one = "pid = (select pid from pg_stat_activity where usename = 'service' order by random() limit 1)";
        ended += terminate(&admin, one).await?;
    }
    finding.note(format!("{ended} sessions ended"));
    let end = Instant::now();
    sleep(Duration::from_millis(500)).await;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    share(&scene, begun, end, &mut finding);
    Ok(finding)
}

/// Row 12: every connection is reset at once, ten times a second.
pub(super) async fn reset(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let scene = Scene::set(&run, Setup { proxied: true, ..Setup::default() }).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    let (begun, lasts) = (Instant::now(), Duration::from_secs(run.scaled(60, 8)));
    let mut tick = interval(EVERY);
    let mut cuts = 0;
    while begun.elapsed() < lasts {
        tick.tick().await;
        scene.proxy()?.cut();
        cuts += 1;
    }
    finding.note(format!("{cuts} resets of all connections"));
    let end = Instant::now();
    sleep(Duration::from_millis(500)).await;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    share(&scene, begun, end, &mut finding);
    Ok(finding)
}

fn share(scene: &Scene, begun: Instant, end: Instant, finding: &mut Finding) {
    let share = Finding::acknowledged_share(&scene.client.ledger().entries(), begun, end);
    finding.note(format!("{:.2} % answered with 200", 100.0 * share));
    finding.require_in_time(share >= SHARE, || {
        format!("only {:.2} % were answered with 200", 100.0 * share)
    });
}
