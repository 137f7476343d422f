//! Rows 20 to 22: migrations by several processes at once, killed half-way, failing, and changed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use rand::Rng;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::finding::Finding;
use crate::postgres::Postgres;
use crate::run::Run;
use crate::service::Launch;

const PATIENCE: Duration = Duration::from_secs(60);

async fn cluster(run: &Run, name: &str) -> anyhow::Result<Postgres> {
    Postgres::create(&run.installation, &run.scratch.join(name), &[], None).await
}

fn migrate(run: &Run, url: &str) -> Launch {
    run.launch().argument("migrate").set("DATABASE_URL", url)
}

/// Every column, constraint, index and view of a database, and the migrations it says it has.
async fn schema(database: &Client) -> anyhow::Result<BTreeSet<String>> {
    let sql = "
        select 'column ' || table_name || '.' || column_name || ' ' || data_type from information_schema.columns
            where table_schema = 'public' and table_name <> 'refinery_schema_history'
        union all select 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint
            where connamespace = 'public'::regnamespace
        union all select 'index ' || indexdef from pg_indexes where schemaname = 'public'
        union all select 'view ' || definition from pg_views where schemaname = 'public'";
    Ok(database.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// How many migrations the database says it has; 0 if it has no history.
async fn applied(database: &Client) -> anyhow::Result<i64> {
    let exists = "select to_regclass('refinery_schema_history') is not null";
    if !database.query_one(exists, &[]).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    Ok(database.query_one("select count(*) from refinery_schema_history", &[]).await?.get(0))
}

/// Row 20: four at once; one applies, all end well.
pub(super) async fn at_once(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let postgres = cluster(&run, "at-once").await?;
    let rounds = run.scaled(20, 3);
    for round in 0..rounds {
        let name = format!("round_{round}");
        let url = postgres.database(&name).await?;
        let mut runners = JoinSet::new();
        for _ in 0..4 {
            let launch = migrate(&run, &url);
            runners.spawn(async move { launch.run(PATIENCE).await });
        }
        let mut appliers = 0;
        for ended in runners.join_all().await {
            let (status, said) = ended?;
            finding.require(status.success(), || format!("a runner ended with {status}: {said}"));
            appliers += usize::from(said.contains("applied migration"));
        }
        finding.require(appliers == 1, || format!("{appliers} runners applied migrations"));
        let database = postgres.connect_to(&name).await?;
        let rows: i64 = database
            .query_one(
                "select count(*) - count(distinct version) from refinery_schema_history",
                &[],
            )
            .await?
            .get(0);
        finding.require(rows == 0, || format!("{rows} migrations are recorded twice"));
    }
    finding.note(format!("{rounds} rounds of 4 runners"));
    Ok(finding)
}

/// Row 21: killed at a random moment, or failing in the middle: a version is whole or absent, and the next run ends well.
pub(super) async fn half_way(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("half way");
    let postgres = cluster(&run, "half-way").await?;
    let url = postgres.database("whole").await?;
    migrate(&run, &url).run(PATIENCE).await?;
    let whole = postgres.connect_to("whole").await?;
    let (expected, versions) = (schema(&whole).await?, applied(&whole).await?);
    let rounds = run.scaled(100, 10);
    let mut killed = 0;
    for round in 0..rounds {
        let name = format!("half_{round}");
        let url = postgres.database(&name).await?;
        let database = postgres.connect_to(&name).await?;
        // In every other round a table is in the way of a migration's last statements.
        let in_the_way = round % 2 == 1;
        if in_the_way {
            database.batch_execute("create table prediction_log (in_the_way int)").await?;
            let (status, said) = migrate(&run, &url).run(PATIENCE).await?;
            finding.require(!status.success(), || format!("it ended well: {said}"));
            let found = schema(&database).await?;
            let left = found.iter().filter(|it| !it.contains("refinery")).count();
            finding
                .require(left == 1, || format!("{left} things are there after a failed migration"));
            database.batch_execute("drop table prediction_log").await?;
        } else {
            let patience = Duration::from_millis(random.random_range(0..60));
            // Dropped when the time is over, and so killed.
            killed +=
                usize::from(timeout(patience, migrate(&run, &url).run(PATIENCE)).await.is_err());
            let whole = applied(&database).await?;
            let found = schema(&database).await?;
            let consistent =
                if whole == 0 { found.iter().all(|it| it.contains("refinery")) } else { true };
            finding.require(consistent, || format!("killed, it left {found:?}"));
        }
        let (status, said) = migrate(&run, &url).run(PATIENCE).await?;
        finding.require(status.success(), || format!("the next run ended with {status}: {said}"));
        let same = schema(&database).await? == expected && applied(&database).await? == versions;
        finding.require(same, || "the schema is another than that of a run in peace".to_owned());
    }
    finding.note(format!(
        "{killed} of {rounds} runs killed before their end, {} in the way of a table",
        rounds / 2
    ));
    Ok(finding)
}

/// Row 22: the database has another version 1 than the program: it refuses to start and says so.
pub(super) async fn divergent(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let postgres = cluster(&run, "divergent").await?;
    let url = postgres.database("divergent").await?;
    migrate(&run, &url).run(PATIENCE).await?;
    let database = postgres.connect_to("divergent").await?;
    for harm in ["set checksum = '1'", "set name = 'something_else'"] {
        let sql = format!("update refinery_schema_history {harm} where version = 1");
        let changed = database.execute(&sql, &[]).await?;
        finding.require(changed == 1, || "there is no version 1".to_owned());
        let launch = run.launch().set("DATABASE_URL", url.as_str()).set("LISTEN", "127.0.0.1:0");
        let (status, said) = launch.run(PATIENCE).await.context("it started")?;
        let told = said.to_lowercase().contains("migration") && !said.contains("panicked");
        finding.require(!status.success() && told, || {
            format!("{harm}: it ended with {status}: {said}")
        });
    }
    Ok(finding)
}
