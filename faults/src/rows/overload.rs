//! Rows 23 and 28: ten times more than the service can do.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::bodies;
use crate::finding::{Allowed, Finding, percentile};
use crate::ledger::{Doubt, Entry, Outcome};
use crate::load::{Load, Mix};
use crate::proxy::Behaviour;
use crate::resources::Series;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// Requests of a hundred rows, so that the load costs less than what it asks for.
fn mix() -> Mix {
    Mix { one_batch_of: 1, batch: (100, 100), keyed: None }
}

/// How late the network to the database is: so much that the database and not the processor is the limit, and the clients,
/// who share the processor, can offer ten times of it.
const LATENCY: Duration = Duration::from_millis(80);

/// The scene behind such a network.
async fn scene(run: &Run) -> anyhow::Result<Scene> {
    let scene = Scene::set(run, Setup { proxied: true, ..Setup::default() }).await?;
    scene.proxy()?.behave(Behaviour { latency: LATENCY, ..Behaviour::default() });
    Ok(scene)
}

/// Requests answered with 200 in a second, in this time.
fn goodput(entries: &[Entry], from: Instant, to: Instant) -> f64 {
    let answered = |entry: &&Entry| {
        matches!(entry.outcome, Outcome::Acknowledged(..))
            && (from..to).contains(&(entry.sent + entry.took))
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let count = entries.iter().filter(answered).count() as f64;
    count / (to - from).as_secs_f64()
}

/// The most that clients in a closed loop get, for the best number of them.
async fn peak(scene: &Scene, each: Duration) -> anyhow::Result<f64> {
    let mut peak: f64 = 0.0;
    for clients in [8, 16, 32, 64] {
        let load = Load::closed(&scene.client, clients, &mix(), scene.run.seed);
        load.acknowledged(20).await?;
        let begun = Instant::now();
        sleep(each).await;
        let end = Instant::now();
        load.finish().await?;
        peak = peak.max(goodput(&scene.client.ledger().entries(), begun, end));
    }
    Ok(peak)
}

/// Row 23: in an open loop; what is too much is refused at once, and the rest is served as well as ever.
pub(super) async fn overload(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let scene = scene(&run).await?;
    let counters = scene.counters();
    let peak = peak(&scene, Duration::from_secs(run.scaled(8, 3))).await?;
    let started = Instant::now();
    let load = Load::open(&scene.client, 10.0 * peak, 20_000, &mix(), run.seed);
    // Queues fill up first.
    sleep(Duration::from_secs(3)).await;
    let lasts = Duration::from_secs(run.scaled(60, 10));
    let (begun, mut series, pid) = (Instant::now(), Series::default(), scene.service.pid()?);
    while begun.elapsed() < lasts {
        sleep(Duration::from_millis(250)).await;
        series.look(started, pid);
    }
    let end = Instant::now();
    load.finish().await?;
    let entries = scene.client.ledger().entries();
    let good = goodput(&entries, begun, end);
    let within: Vec<_> =
        entries.iter().filter(|entry| (begun..end).contains(&entry.sent)).collect();
    let refused = |entry: &&&Entry| {
        matches!(entry.outcome, Outcome::Indeterminate(Doubt::Unavailable) | Outcome::Refused(429))
    };
    let mut refusals: Vec<_> = within.iter().filter(refused).map(|entry| entry.took).collect();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let offered = within.len() as f64 / (end - begun).as_secs_f64();
    finding.note(format!("peak {peak:.0}/s, offered {offered:.0}/s, goodput {good:.0}/s"));
    finding.require_in_time(offered >= 8.0 * peak, || "less than eightfold was offered".to_owned());
    finding.require_in_time(good >= 0.9 * peak, || format!("goodput {good:.0}/s of {peak:.0}/s"));
    let at_once = percentile(&mut refusals, 0.99).unwrap_or_default();
    finding.require_in_time(at_once <= AT_ONCE, || {
        format!(
            "{} refusals, the 99th percentile after {:.2} s",
            refusals.len(),
            at_once.as_secs_f64()
        )
    });
    let (first, most) = (series.first().map_or(0, |usage| usage.resident_kb), series.most_kb());
    finding.note(format!("memory {} to {} MB", first >> 10, most >> 10));
    finding
        .require(most <= first + (20 << 10), || format!("memory grew from {first} to {most} kB"));
    scene.judge(counters, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

/// What is at once, for a refusal: on processors shared with ten times too many clients.
const AT_ONCE: Duration = Duration::from_millis(500);

/// How much memory the service may ever have had, in kilobytes.
const LIMIT_KB: u64 = 256 << 10;

/// Row 28: overload and giant bodies at once, within 256 MB.
pub(super) async fn memory(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let scene = scene(&run).await?;
    let load = Load::open(&scene.client, run.scaled(800.0, 400.0), 20_000, &mix(), run.seed);
    load.acknowledged(20).await?;
    let (begun, lasts) = (Instant::now(), Duration::from_secs(run.scaled(60, 8)));
    while begun.elapsed() < lasts {
        let mut giants = tokio::task::JoinSet::new();
        for _ in 0..20 {
            giants.spawn(bodies::endless(scene.client.address().socket(), 20 << 20));
        }
        giants.join_all().await;
    }
    load.finish().await?;
    let most = scene.service.usage()?.most_kb;
    finding.note(format!("never more than {} MB", most >> 10));
    finding.require(most <= LIMIT_KB, || format!("it had {} MB", most >> 10));
    scene.judge(None, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}
