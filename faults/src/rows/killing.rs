//! Row 1, and the rounds of `kills`: killed again and again under load.

use std::time::{Duration, Instant};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::nemesis::Fault;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Service,
    Postgres,
}

/// Kills the victim so often, each time at a random moment under load, and judges the record after the last.
pub(crate) async fn rounds(
    run: &Run,
    victim: Victim,
    rounds: usize,
    random: &mut ChaCha8Rng,
) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut scene = Scene::set(run, Setup::default()).await?;
    let work = scene.work(2 * CLIENTS);
    for _ in 0..rounds {
        work.load.acknowledged(1).await?;
        sleep(Duration::from_millis(random.random_range(20..500))).await;
        match victim {
            Victim::Service => {
                // In one of three rounds both die at once, as with their machine: a service that acknowledges too early is
                // not saved then by the statement that PostgreSQL carries out for a client that is gone.
                if random.random_ratio(1, 3) {
                    scene.postgres.freeze()?;
                    sleep(Duration::from_millis(random.random_range(0..100))).await;
                    scene.service.kill().await?;
                    scene.postgres.kill_all().await?;
                    scene.postgres.start().await?;
                } else {
                    scene.service.kill().await?;
                }
                let ready = scene.restart_service().await?;
                finding.recovered("the killed service", ready);
                scene.well(&work.load).await?;
            }
            Victim::Postgres => kill_postgres(&mut scene, random, &work.load, &mut finding).await?,
        }
    }
    work.load.acknowledged(20).await?;
    let allowed = if victim == Victim::Service { Allowed::Breaks } else { Allowed::Answers };
    scene.conclude(work, allowed, &mut finding).await?;
    Ok(finding)
}

async fn kill_postgres(
    scene: &mut Scene,
    random: &mut ChaCha8Rng,
    load: &crate::load::Load,
    finding: &mut Finding,
) -> anyhow::Result<()> {
    match random.random_range(0..3) {
        0 => Fault::BackendKilled.strike(scene, random).await?.heal(scene).await?,
        1 => Fault::PostmasterKilled.strike(scene, random).await?.heal(scene).await?,
        _ => {
            scene.postgres.kill_all().await?;
            scene.postgres.start().await?;
        }
    }
    let accepts = Instant::now();
    scene.well(load).await?;
    finding.recovered("the service, after PostgreSQL was back,", accepts.elapsed());
    Ok(())
}

pub(super) async fn service_killed(run: Run) -> anyhow::Result<Finding> {
    let mut random = run.seed.stream("service killed");
    let n = run.scaled(200, 15);
    let mut finding = Finding::default();
    let mut left = n;
    while left > 0 {
        let group = left.min(50);
        finding.absorb(rounds(&run, Victim::Service, group, &mut random).await?);
        left -= group;
    }
    finding.note(format!("{n} kills"));
    Ok(finding)
}
