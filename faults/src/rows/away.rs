//! Rows 4, 5, 7, 16 and 18: the database is away for a while, in one way or another.

use std::time::Duration;

use super::outage::{CLIENTS, check_windows, outage};
use crate::finding::{Allowed, Finding};
use crate::nemesis::Fault;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// Strikes a fresh scene with each of the faults, so often, for so long.
async fn strike(
    run: Run,
    faults: &[(Fault, bool)],
    times: usize,
    lasts: Duration,
) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("outage");
    let mut scene = Scene::set(&run, Setup::default()).await?;
    let work = scene.work(CLIENTS);
    let mut windows = Vec::new();
    for _ in 0..times {
        for (fault, refuses) in faults {
            let away = outage(&mut scene, &work, *fault, lasts, &mut random, &mut finding).await?;
            windows.push((away, *refuses));
        }
    }
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    let entries = scene.client.ledger().entries();
    check_windows(&entries, &windows, &mut finding);
    finding.note(format!("{} times {:.1} s", times * faults.len(), lasts.as_secs_f64()));
    Ok(finding)
}

pub(super) async fn postgres_killed(run: Run) -> anyhow::Result<Finding> {
    // After the death of a backend the server recovers by itself, at once.
    let faults = [
        (Fault::PostmasterKilled, true),
        (Fault::BackendKilled, false),
        (Fault::StoppedAtOnce, true),
    ];
    let times = run.scaled(20, 2);
    strike(run, &faults, times, Duration::from_millis(500)).await
}

pub(super) async fn postgres_restarted(run: Run) -> anyhow::Result<Finding> {
    let times = run.scaled(20, 4);
    strike(run, &[(Fault::Restarted, false)], times, Duration::ZERO).await
}

pub(super) async fn postgres_frozen(run: Run) -> anyhow::Result<Finding> {
    let lasts = Duration::from_secs(run.scaled(30, 5));
    strike(run, &[(Fault::Frozen, true)], 1, lasts).await
}

pub(super) async fn table_locked(run: Run) -> anyhow::Result<Finding> {
    let lasts = Duration::from_secs(run.scaled(10, 4));
    strike(run, &[(Fault::Locked, true)], 1, lasts).await
}

pub(super) async fn read_only(run: Run) -> anyhow::Result<Finding> {
    let lasts = Duration::from_secs(run.scaled(10, 4));
    strike(run, &[(Fault::ReadOnly, true)], 1, lasts).await
}
