//! Rows 42 to 44: tables that leave out rows, that a crash would empty, and that are not those of the record.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::sleep;

use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::nemesis::terminate;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// How long the service may take to notice what was done to its tables.
const NOTICED: Duration = Duration::from_secs(20);

/// Row 42: triggers leave out half of the rows of one table, by turns.
pub(super) async fn left_out(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let scene = Scene::set(&run, Setup::default()).await?;
    let admin = scene.postgres.connect().await?;
    admin
        .batch_execute(
            "create function skip() returns trigger language plpgsql as
             $$ begin return case when random() < 0.5 then null else new end; end $$",
        )
        .await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    let (begun, lasts) = (Instant::now(), Duration::from_secs(run.scaled(60, 6)));
    let mut times = 0;
    for table in ["raw_data", "prediction", "idempotency_key"].into_iter().cycle() {
        if begun.elapsed() >= lasts {
            break;
        }
        admin
            .batch_execute(&format!(
                "create trigger skip before insert on {table} for each row execute function skip()"
            ))
            .await?;
        // The tables are looked at every ten seconds.
        if !run.quick {
            let said = unready(&scene).await?;
            finding.require(said.contains("skip") || said.contains("leaves out rows"), || {
                format!("with a trigger on {table} it was not ready because of {said:?}")
            });
        }
        sleep(Duration::from_millis(800)).await;
        admin.batch_execute(&format!("drop trigger skip on {table}")).await?;
        finding.recovered("without the trigger", scene.well(&work.load).await?);
        work.load.acknowledged(50).await?;
        times += 1;
    }
    finding.note(format!("{times} triggers"));
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

/// The reason for which the service is not ready, once it is not.
async fn unready(scene: &Scene) -> anyhow::Result<String> {
    let give_up = Instant::now() + NOTICED;
    while Instant::now() < give_up {
        if let (503, problem) = scene.client.get("/health/ready").await? {
            let problem: serde_json::Value = serde_json::from_str(&problem)?;
            return Ok(problem["detail"].as_str().context("no detail")?.to_owned());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(format!("nothing, for {NOTICED:?}"))
}

/// Row 43: the tables and partitions are made unlogged one by one.
pub(super) async fn unlogged(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut scene = Scene::set(&run, Setup::default()).await?;
    let admin = scene.postgres.connect().await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    let tables = "select oid::regclass::text from pg_class where relkind = 'r' and relispartition
                  union all select 'idempotency_key'";
    let tables: Vec<String> =
        admin.query(tables, &[]).await?.iter().map(|row| row.get(0)).collect();
    for table in &tables {
        admin.batch_execute(&format!("alter table {table} set unlogged")).await?;
        let said = unready(&scene).await?;
        finding.require(said.contains("is not logged"), || {
            format!("{table} is unlogged, and it was not ready because of {said:?}")
        });
        // A session for writing that is made now is refused.
        terminate(&admin, "usename = 'service'").await?;
        let again = scene.client.send(&scene.client.ledger().attempt(1, None)).await?;
        finding.note(format!("{table}: {again:?}").chars().take(60).collect::<String>());
        admin.batch_execute(&format!("alter table {table} set logged")).await?;
        finding.recovered("logged again", scene.well(&work.load).await?);
    }
    finding.notes.truncate(2);
    // Nor does one start on such a table.
    let table = tables.first().context("no tables")?;
    admin.batch_execute(&format!("alter table {table} set unlogged")).await?;
    scene.service.stop().await?;
    scene.interrupted = true;
    let started = scene.service.start().await;
    finding.require(started.is_err(), || format!("it started with {table} unlogged"));
    let log = scene.service.log.lines().join("\n");
    finding.require(log.contains("is not logged"), || "the start does not name it".to_owned());
    admin.batch_execute(&format!("alter table {table} set logged")).await?;
    scene.restart_service().await?;
    scene.conclude(work, Allowed::Breaks, &mut finding).await?;
    Ok(finding)
}

/// Row 44: a schema named like the user, with tables named like ours, under load and before a start.
pub(super) async fn other_schema(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut scene = Scene::set(&run, Setup::default()).await?;
    let admin = scene.postgres.connect().await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(100).await?;
    admin.batch_execute("create schema service authorization service").await?;
    for table in ["raw_data", "prediction", "truth", "idempotency_key"] {
        admin.batch_execute(&format!("create table service.{table} (like public.{table})")).await?;
        terminate(&admin, "usename = 'service'").await?;
        finding.recovered("with another schema", scene.well(&work.load).await?);
        work.load.acknowledged(50).await?;
    }
    scene.service.stop().await?;
    scene.restart_service().await?;
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Breaks, &mut finding).await?;
    let there: i64 = admin.query_one("select count(*) from service.prediction", &[]).await?.get(0);
    finding.require(there == 0, || format!("{there} predictions are in the other schema"));
    Ok(finding)
}
