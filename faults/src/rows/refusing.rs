//! Rows 17 and 19: PostgreSQL is there and lets the service not in, or not write.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_postgres::Client;

use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding, PROMISED};
use crate::nemesis::terminate;
use crate::postgres::{PASSWORD, SERVICE_ROLE};
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// Row 17: others hold every connection (53300).
pub(super) async fn too_many_connections(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let setup = Setup { settings: vec!["max_connections=20"], ..Setup::default() };
    let scene = Scene::set(&run, setup).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    let mut others: Vec<Client> = Vec::new();
    let begun = Instant::now();
    let lasts = Duration::from_secs(run.scaled(15, 5));
    while begun.elapsed() < lasts {
        match scene.postgres.connect().await {
            Ok(other) => others.push(other),
            // Full: whoever of the service is in must go, so that its place is taken too.
            Err(_) => {
                if let Some(admin) = others.first() {
                    terminate(admin, "true").await?;
                }
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
    finding.note(format!("{} connections held by others", others.len()));
    let not_ready = scene.client.get("/health/ready").await?.0;
    finding.require(not_ready == 503, || format!("/health/ready said {not_ready}"));
    drop(others);
    finding.recovered("after the others had gone", scene.well(&work.load).await?);
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

/// Row 19: the password is another, a privilege is gone, a table is gone.
pub(super) async fn locked_out(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let changes = [
        (
            "password",
            format!("alter role {SERVICE_ROLE} password 'another'"),
            format!("alter role {SERVICE_ROLE} password '{PASSWORD}'"),
        ),
        (
            "privilege",
            format!("revoke insert on raw_data, prediction from {SERVICE_ROLE}"),
            format!("grant insert on raw_data, prediction to {SERVICE_ROLE}"),
        ),
        (
            "table",
            "alter table prediction rename to elsewhere".to_owned(),
            "alter table elsewhere rename to prediction".to_owned(),
        ),
    ];
    for (what, harm, mend) in changes {
        let scene = Scene::set(&run, Setup::default()).await?;
        let work = scene.work(CLIENTS);
        work.load.acknowledged(50).await?;
        let admin = scene.postgres.connect().await?;
        admin.batch_execute(&harm).await?;
        terminate(&admin, "true").await?;
        let begun = Instant::now();
        let mut ready = 200;
        while ready == 200 && begun.elapsed() < PROMISED {
            sleep(Duration::from_millis(50)).await;
            ready = scene.client.get("/health/ready").await?.0;
        }
        finding
            .require_in_time(ready == 503, || format!("{what}: /health/ready still said {ready}"));
        sleep(Duration::from_secs(run.scaled(10, 2))).await;
        admin.batch_execute(&mend).await?;
        finding.recovered(what, scene.well(&work.load).await?);
        work.load.acknowledged(50).await?;
        scene.conclude(work, Allowed::Answers, &mut finding).await?;
        let told = scene.service.log.lines().iter().filter(|line| line.contains(PASSWORD)).count();
        finding
            .require(told == 0, || format!("{what}: the password is in {told} lines of the log"));
    }
    Ok(finding)
}
