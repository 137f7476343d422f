//! Row 29: code panics in the middle of requests: those are told 500, and nobody else notices.

use anyhow::ensure;
use serde_json::Value;
use tokio::task::JoinSet;

use super::outage::CLIENTS;
use crate::abilities::with_fail_points;
use crate::finding::{Allowed, Finding};
use crate::ledger::Outcome;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// Where it panics, every other time, and whether the ledger of the service has the rows that this has cost: those that
/// have got as far as the recorder.
const PLACES: [(&str, bool); 2] = [("api::record", false), ("recorder::predict", true)];

pub(super) async fn panics(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    for (place, is_in_ledger) in PLACES {
        finding.absorb(panics_at(&run, place, is_in_ledger).await?);
    }
    Ok(finding)
}

async fn panics_at(run: &Run, place: &str, is_in_ledger: bool) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut launch = run.launch().set("FAILPOINTS", format!("{place}=50%panic"));
    launch.program = with_fail_points(&launch.program);
    let mut scene = Scene::set(run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    let each = run.scaled(500, 50);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = scene.client.clone();
        clients.spawn(async move {
            let mut failed_rows = 0;
            for number in 0..each {
                let attempt = client.ledger().attempt(1 + number % 3, None);
                match client.send_to_broken(&attempt).await? {
                    Outcome::Acknowledged(..) => {}
                    Outcome::Refused(500) => failed_rows += u64::from(attempt.rows),
                    other => anyhow::bail!("{attempt:?} was told {other:?}"),
                }
            }
            Ok(failed_rows)
        });
    }
    let mut failed_rows = 0;
    for failed in clients.join_all().await {
        failed_rows += failed?;
    }
    ensure!(failed_rows > 0, "nothing has panicked at {place}");
    let (status, body) = scene.client.get("/ledger").await?;
    let ledger: Value = serde_json::from_str(&body).unwrap_or_default();
    let expected = if is_in_ledger { failed_rows } else { 0 };
    finding.require(status == 200 && ledger["failed"] == expected, || {
        format!("{expected} rows have failed in the recorder, and /ledger says {body}")
    });
    finding.require(scene.service.exited()?.is_none(), || "the service has ended".to_owned());
    for path in ["/health/live", "/health/ready"] {
        let status = scene.client.get(path).await?.0;
        finding.require(status == 200, || format!("{path} said {status}"));
    }
    let panicked =
        scene.service.log.lines().iter().filter(|line| line.contains("panicked")).count();
    finding.note(format!("{place}: {panicked} panics, {failed_rows} rows failed"));
    // In order again, it goes on with the same record.
    scene.service.stop().await?;
    scene.service.launch.variables.remove("FAILPOINTS");
    scene.restart_service().await?;
    scene.judge(None, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}
