//! Row 47: the record is dumped and restored, whole and data only, and served from there.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use tokio::task::spawn_blocking;

use super::outage::CLIENTS;
use crate::checker::check;
use crate::finding::{Allowed, Finding};
use crate::run::Run;
use crate::scene::{Scene, Setup};

pub(super) async fn restored(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut scene = Scene::set(&run, Setup::default()).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(run.scaled(5_000, 500)).await?;
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    let admin = scene.postgres.connect().await?;
    admin.batch_execute("insert into truth select id, 1 from prediction").await?;
    scene.service.stop().await?;
    let [truths, keys] = counts(&admin).await?;
    let dump = scene.postgres.data.with_file_name("dump");
    let said = tool(&scene, &run, "pg_dump", &["-Fc", "-f"], &dump, None, "service").await?;
    ensure!(said.is_empty(), "pg_dump says {said}");

    for (name, arguments) in
        [("whole", ["--no-owner", "--role=service"].as_slice()), ("data_only", &["--data-only"])]
    {
        let url = scene.postgres.database(name).await?;
        if name == "data_only" {
            let migrate = run.launch().argument("migrate").set("DATABASE_URL", &url);
            let (status, said) = migrate.run(std::time::Duration::from_secs(60)).await?;
            ensure!(status.success(), "{said}");
        }
        let said = tool(&scene, &run, "pg_restore", arguments, &dump, Some("-d"), name).await?;
        // The history of the migrations is there already.
        let errors = said.matches("error:").count();
        finding.note(format!("{name}: {errors} errors of pg_restore"));
        scene.service.launch = scene.service.launch.clone().set("DATABASE_URL", &url);
        scene.service.start().await?;
        let restored = scene.postgres.connect_to(name).await?;
        let [there, kept] = counts(&restored).await?;
        finding.require(there == truths && kept == keys, || {
            format!("{name}: {there} of {truths} truths, {kept} of {keys} keys; {said}")
        });
        let (status, page) = scene.client.get("/predictions?limit=1").await?;
        finding.require(status == 200 && page.contains("\"truth\":1"), || {
            format!("{name}: a page was told {status}: {page}")
        });
        finding.judged(check(&restored, &scene.client.ledger().entries()).await?);
        scene.service.stop().await?;
    }
    Ok(finding)
}

/// How many truths and kept answers there are.
async fn counts(database: &tokio_postgres::Client) -> anyhow::Result<[i64; 2]> {
    let row = database
        .query_one(
            "select count(truth), (select count(*) from idempotency_key) from prediction_log",
            &[],
        )
        .await?;
    Ok([row.get(0), row.get(1)])
}

/// Runs a program of PostgreSQL's on a database, as its superuser; gives what it says.
async fn tool(
    scene: &Scene,
    run: &Run,
    program: &str,
    arguments: &[&str],
    file: &Path,
    option: Option<&str>,
    database: &str,
) -> anyhow::Result<String> {
    let path = run.installation.postgres.with_file_name(program);
    let mut command: Command = run.installation.command(&path);
    command
        .args(arguments)
        .arg(file)
        .args(option)
        .arg(scene.postgres.address_of_superuser(database));
    let output = spawn_blocking(move || command.output()).await?.context("no such program")?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}
