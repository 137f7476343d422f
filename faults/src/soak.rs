//! The soak: random faults for a while, after which the ledger must agree with SQL, and nothing may have grown.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::time::sleep;

use crate::finding::{Allowed, Finding};
use crate::load::{Load, Mix};
use crate::nemesis::{Fault, a_while};
use crate::resources::Series;
use crate::run::Run;
use crate::scene::{Scene, Setup};
use crate::tasks::say;

/// Requests a second: enough to be under way whenever a fault strikes, and few enough for a ledger of half an hour.
const PER_SECOND: f64 = 150.0;

/// By how much memory may grow in a minute, in kilobytes.
const SLOPE_KB: f64 = 256.0;

/// Strikes with one fault after the other. The service itself is killed in the first third only: afterwards it must show
/// that it does not grow.
pub(crate) async fn soak(run: Run, minutes: u64) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("soak");
    let mut scene = Scene::set(&run, Setup { proxied: true, ..Setup::default() }).await?;
    scene.interrupted = true;
    let counters = scene.counters();
    let mix = Mix { batch: (2, 20), ..scene.mix() };
    let load = Load::open(&scene.client, PER_SECOND, 4_000, &mix, run.seed);
    load.acknowledged(100).await?;
    let (begun, lasts) = (Instant::now(), Duration::from_secs(60 * minutes));
    let mut series = Series::default();
    let mut faults = 0;
    let mut told = Instant::now();
    while begun.elapsed() < lasts {
        let may_kill = begun.elapsed() < lasts / 3;
        let fault = *Fault::ANY.choose(&mut random).unwrap_or(&Fault::Reset);
        if fault == Fault::ServiceKilled && !may_kill {
            continue;
        }
        let struck = fault.strike(&mut scene, &mut random).await?;
        sleep(a_while(&mut random)).await;
        struck.heal(&mut scene).await?;
        let after = scene.well(&load).await?;
        finding.recovered(&format!("{fault:?}"), after);
        faults += 1;
        sleep(Duration::from_millis(random.random_range(1_000..4_000))).await;
        if !may_kill {
            series.look(begun, scene.service.pid()?);
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            let usage = scene.service.usage()?;
            say(&format!(
                "{:>4} s: {faults} faults, {} MB, {} descriptors, {} failures",
                begun.elapsed().as_secs(),
                usage.resident_kb >> 10,
                usage.descriptors,
                finding.misses().count()
            ));
        }
    }
    load.acknowledged(100).await?;
    load.finish().await?;
    // What starts and what fills up to its working size has done so.
    let settled = series.after(0.25);
    let slope = settled.slope_kb_per_minute();
    finding.note(format!("{faults} faults in {minutes} minutes, memory {slope:+.0} kB a minute"));
    // Over a minute or two it says nothing.
    finding.require(minutes < 10 || slope <= SLOPE_KB, || {
        format!("memory grows by {slope:.0} kB a minute")
    });
    if let (Some(first), Some(last)) = (settled.first(), settled.last()) {
        finding.note(format!(
            "descriptors {} to {}, threads {} to {}",
            first.descriptors, last.descriptors, first.threads, last.threads
        ));
        finding.require(last.descriptors <= first.descriptors + 10, || {
            format!("from {} descriptors to {}", first.descriptors, last.descriptors)
        });
    }
    scene.judge(counters, Allowed::Breaks, &mut finding).await?;
    Ok(finding)
}
