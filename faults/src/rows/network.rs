//! Rows 8 to 11: the network between the service and its database.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::sleep;

use super::outage::{CLIENTS, check_windows, outage};
use crate::finding::{Allowed, Finding};
use crate::nemesis::Fault;
use crate::proxy::Behaviour;
use crate::resources::{sockets, unacknowledged};
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// When a connection into a black hole is given up: `tcp_user_timeout` of the service, and a second.
const REAPED: Duration = Duration::from_secs(6);

/// The connections on which what was sent is not acknowledged for a while, once there are any: those that are idle lose
/// nothing, and may stay.
async fn stuck(pid: u32, port: u16) -> BTreeSet<String> {
    let begun = Instant::now();
    let mut stuck = BTreeSet::new();
    while stuck.is_empty() && begun.elapsed() < REAPED {
        stuck = unacknowledged(pid, port);
        for _ in 0..5 {
            sleep(Duration::from_millis(50)).await;
            stuck = &stuck & &unacknowledged(pid, port);
        }
    }
    stuck
}

/// Row 8: packets vanish, both ways, by the kernel and then by the proxy.
pub(super) async fn black_hole(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("black hole");
    let mut scene = Scene::set(&run, Setup::default()).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    let (pid, port) = (scene.service.pid()?, scene.postgres.port);
    let reaped = tokio::spawn(async move {
        let stuck = stuck(pid, port).await;
        let begun = Instant::now();
        while sockets(pid, port).intersection(&stuck).next().is_some()
            && begun.elapsed() < 3 * REAPED
        {
            sleep(Duration::from_millis(20)).await;
        }
        (stuck.len(), begun.elapsed())
    });
    let lasts = Duration::from_secs(run.scaled(30, 8));
    let away = outage(&mut scene, &work, Fault::PacketsLost(100), lasts, &mut random, &mut finding)
        .await?;
    let (stuck, reaped) = reaped.await?;
    finding.note(format!("{stuck} stuck sockets given up after {:.2} s", reaped.as_secs_f64()));
    finding.require_in_time(stuck > 0, || "no socket was stuck".to_owned());
    finding.require_in_time(reaped <= REAPED, || {
        format!("sockets were kept for {:.1} s", reaped.as_secs_f64())
    });
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    check_windows(&scene.client.ledger().entries(), &[(away, true)], &mut finding);

    let mut scene = Scene::set(&run, Setup { proxied: true, ..Setup::default() }).await?;
    let work = scene.work(CLIENTS);
    let lasts = Duration::from_secs(run.scaled(10, 4));
    let away =
        outage(&mut scene, &work, Fault::BlackHole, lasts, &mut random, &mut finding).await?;
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    check_windows(&scene.client.ledger().entries(), &[(away, true)], &mut finding);
    Ok(finding)
}

/// Row 9: of a hundred packets twenty are lost.
pub(super) async fn packets_lost(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("packets lost");
    let mut scene = Scene::set(&run, Setup::default()).await?;
    let work = scene.work(CLIENTS);
    let lasts = Duration::from_secs(run.scaled(60, 10));
    let away =
        outage(&mut scene, &work, Fault::PacketsLost(20), lasts, &mut random, &mut finding).await?;
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    let entries = scene.client.ledger().entries();
    let share = Finding::acknowledged_share(&entries, away.gone, away.back);
    finding.note(format!("{:.1} % answered with 200 meanwhile", 100.0 * share));
    Ok(finding)
}

/// Row 10: late, thin and sliced.
pub(super) async fn slow_network(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let usual = Behaviour::default();
    let kinds = [
        ("500 ms late", Behaviour { latency: Duration::from_millis(500), ..usual }),
        ("10 kB/s", Behaviour { bytes_per_second: Some(10_000), ..usual }),
        ("sliced", Behaviour { slice: Some(1), ..usual }),
    ];
    let lasts = Duration::from_secs(run.scaled(20, 4));
    for (name, behaviour) in kinds {
        let scene = Scene::set(&run, Setup { proxied: true, ..Setup::default() }).await?;
        let work = scene.work(CLIENTS);
        work.load.acknowledged(50).await?;
        scene.proxy()?.behave(behaviour);
        let begun = Instant::now();
        sleep(lasts).await;
        let end = Instant::now();
        scene.proxy()?.behave(usual);
        let recovery = scene.well(&work.load).await?;
        finding.recovered(name, recovery);
        work.load.acknowledged(50).await?;
        scene.conclude(work, Allowed::Answers, &mut finding).await?;
        let share = Finding::acknowledged_share(&scene.client.ledger().entries(), begun, end);
        finding.note(format!("{name}: {:.0} % answered with 200", 100.0 * share));
    }
    Ok(finding)
}

/// Row 11: the answers to commits are lost, so that the service cannot know.
pub(super) async fn answers_lost(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("answers lost");
    let mut scene = Scene::set(&run, Setup { proxied: true, ..Setup::default() }).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(50).await?;
    let goal = run.scaled(1_000, 100);
    let struck = Fault::AnswersLost(3).strike(&mut scene, &mut random).await?;
    let begun = Instant::now();
    while scene.proxy()?.lost_answers() < goal {
        ensure!(begun.elapsed() < Duration::from_secs(240), "too few commits are answered");
        sleep(Duration::from_millis(10)).await;
    }
    struck.heal(&mut scene).await?;
    finding.recovered("after the last lost answer", scene.well(&work.load).await?);
    finding.note(format!("{} answers lost", scene.proxy()?.lost_answers()));
    work.load.acknowledged(50).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}
