//! Row 46: millions of rows are in no partition, and are worked off under load.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::time::sleep;

use super::filler;
use super::outage::CLIENTS;
use crate::finding::{Allowed, Finding};
use crate::ledger::{Doubt, Entry, Outcome};
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// For how long requests may be refused.
const REFUSED: Duration = Duration::from_secs(1);

pub(super) async fn backlog(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let scene = Scene::set(&run, Setup::default()).await?;
    let admin = scene.postgres.connect().await?;
    // As nobody keeps the record up meanwhile: the lock of those who do ("upkeep").
    let holder = scene.postgres.connect().await?;
    let lock = i64::from_be_bytes(*b"\0\0upkeep");
    holder.execute("select pg_advisory_lock($1)", &[&lock]).await?;
    let parts = "select oid::regclass::text from pg_class
                 where relispartition and relkind = 'r' and relname !~ '_default$'";
    for part in admin.query(parts, &[]).await? {
        admin.batch_execute(&format!("drop table {}", part.get::<_, String>(0))).await?;
    }
    let rows = run.scaled(2_000_000, 100_000);
    filler::fill(&admin, rows, Duration::from_millis(300)).await?;
    let work = scene.work(CLIENTS);
    work.load.acknowledged(500).await?;

    let begun = Instant::now();
    drop(holder);
    let left = "select count(*) from (select from prediction_default limit 1) as rest";
    while admin.query_one(left, &[]).await?.get::<_, i64>(0) > 0 {
        ensure!(begun.elapsed() < PATIENCE, "rows are still in the default partition");
        scene.client.get("/predictions?limit=50").await?;
        sleep(Duration::from_millis(20)).await;
    }
    let worked_off = Instant::now();
    work.load.acknowledged(200).await?;
    work.load.finish().await?;
    let stretch = refused(&scene.client.ledger().entries());
    finding.note(format!(
        "{rows} rows in {:.0} s; refused for {:.2} s at most",
        (worked_off - begun).as_secs_f64(),
        stretch.as_secs_f64()
    ));
    finding.require_in_time(stretch <= REFUSED, || {
        format!("requests were refused for {:.2} s", stretch.as_secs_f64())
    });
    filler::empty(&admin).await?;
    scene.judge(work.counters, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

/// The longest time in which requests were refused and none was acknowledged.
fn refused(entries: &[Entry]) -> Duration {
    let mut ends: Vec<_> = entries.iter().map(|it| (it.sent + it.took, &it.outcome)).collect();
    ends.sort_by_key(|(end, _)| *end);
    let (mut longest, mut since) = (Duration::ZERO, None);
    for (end, outcome) in ends {
        match outcome {
            Outcome::Acknowledged(..) => since = None,
            Outcome::Indeterminate(Doubt::Unavailable) => {
                longest = longest.max(end - *since.get_or_insert(end));
            }
            _ => {}
        }
    }
    longest
}
