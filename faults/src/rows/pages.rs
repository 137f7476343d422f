//! Row 49: pages of millions of rows, before anybody has analyzed them and afterwards.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::filler;
use crate::finding::{Finding, percentile};
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// How much longer a page without statistics may take.
const MORE: f64 = 1.5;

/// How often each page is read.
const TIMES: usize = 100;

pub(super) async fn unanalyzed(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let scene =
        Scene::set(&run, Setup { settings: vec!["autovacuum=off"], ..Setup::default() }).await?;
    let admin = scene.postgres.connect().await?;
    let rows = run.scaled(3_000_000, 300_000);
    filler::fill(&admin, rows, Duration::from_millis(1)).await?;
    let before = median(&scene).await?;
    let (found, pages) = rare(&scene).await?;
    admin.batch_execute("analyze").await?;
    let after = median(&scene).await?;
    let ratio = before.as_secs_f64() / after.as_secs_f64();
    finding.note(format!(
        "{rows} rows: a page in {:.2} ms without statistics, {:.2} ms with; {found} rare rows on {pages} pages",
        before.as_secs_f64() * 1e3,
        after.as_secs_f64() * 1e3
    ));
    finding.require_in_time(ratio <= MORE, || {
        format!("without statistics a page takes {ratio:.2} times as long")
    });
    let expected = usize::try_from(rows / 1_000)?;
    finding.require(found == expected, || format!("{found} of {expected} rare rows were found"));
    let (again, _) = rare(&scene).await?;
    finding.require(again == expected, || format!("{again} of {expected} rare rows were found"));
    Ok(finding)
}

/// The median time of a page.
async fn median(scene: &Scene) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        let (status, _) = scene.client.get("/predictions?limit=50").await?;
        ensure!(status == 200, "a page was told {status}");
        times.push(begun.elapsed());
    }
    Ok(percentile(&mut times, 0.5).unwrap_or_default())
}

/// How many rows of the last class all pages hold, and how many pages there are.
async fn rare(scene: &Scene) -> anyhow::Result<(usize, usize)> {
    let (mut found, mut pages, mut cursor) = (0, 0, String::new());
    loop {
        let path = format!("/predictions?iris_class=2&limit=1000{cursor}");
        let (status, page) = scene.client.get(&path).await?;
        ensure!(status == 200, "page {pages} was told {status}: {page}");
        let page: serde_json::Value = serde_json::from_str(&page)?;
        pages += 1;
        found += page["predictions"].as_array().map_or(0, Vec::len);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok((found, pages)),
        }
    }
}
