//! Rows 24 and 25: a thousand clients that send or read as slowly as they can, beside ordinary ones.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use super::bodies::limited;
use crate::finding::{Allowed, Finding, percentile};
use crate::ledger::{Entry, Outcome};
use crate::load::Load;
use crate::resources::sockets;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// How many slow clients, and how many more there are each second.
const SLOW: usize = 1_000;
const PER_SECOND: usize = 250;

/// How much later than its limit the last slow client may be sent away.
const GRACE: Duration = Duration::from_secs(5);

/// How many other connections the harness itself may open meanwhile: looks at the ledger, the probe of `slowhttptest`.
const OWN: usize = 2;

/// For how long a decoy is attacked, and thrice as long as it keeps a connection.
const DECOY: Duration = Duration::from_secs(9);

/// How often the connections are counted, which takes milliseconds of the processor that the others are on.
const LOOK: Duration = Duration::from_millis(500);

/// A way to be slow.
struct Way {
    name: &'static str,
    /// What `slowhttptest` is told.
    arguments: &'static [&'static str],
    path: &'static str,
    /// After how long the service sends such a client away.
    limit: Duration,
}

/// Row 24: headers that never end.
pub(super) async fn headers(run: Run) -> anyhow::Result<Finding> {
    let arguments = &["-H", "-i", "2", "-t", "GET"];
    let limit = Duration::from_secs(5);
    attack(run, Way { name: "headers", arguments, path: "/health/live", limit }).await
}

/// Row 25: bodies that never end, and answers that are never read.
pub(super) async fn bodies(run: Run) -> anyhow::Result<Finding> {
    let arguments = &["-B", "-i", "2", "-s", "8192", "-t", "POST", "-f", "application/json"];
    let limit = Duration::from_secs(15);
    let way = Way { name: "bodies", arguments, path: "/predict", limit };
    let mut finding = attack(run.clone(), way).await?;
    let arguments = &["-X", "-w", "8", "-y", "16", "-n", "4", "-z", "8", "-k", "1"];
    // A reader has 20 s, and a second more for each 16 KiB that it takes. The buffers of the system take the document, 52 KiB,
    // in its place.
    let limit = Duration::from_secs(20 + 4);
    let way = Way { name: "readers", arguments, path: "/openapi.json", limit };
    finding.absorb(attack(run, way).await?);
    Ok(finding)
}

async fn attack(run: Run, way: Way) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut launch = run.launch();
    launch.wrapper = limited(8_192);
    let scene = Scene::set(&run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    let load = Load::closed(&scene.client, 4, &scene.mix(), run.seed);
    load.acknowledged(200).await?;
    let quiet = Instant::now();
    sleep(Duration::from_secs(run.scaled(10, 4))).await;
    let quiet_until = Instant::now();

    let (pid, port) = (scene.service.pid()?, scene.client.address().socket());
    let port: u16 = port.rsplit(':').next().unwrap_or_default().parse()?;
    let usual = sockets(pid, port).len() + OWN;
    let opening = Duration::from_secs((SLOW / PER_SECOND) as u64);
    let lasts = opening + way.limit + GRACE + Duration::from_secs(3);
    let begun = Instant::now();
    let mut attack = attackers(&way, &scene.client.address().url(way.path), lasts)?;
    let mut most = 0;
    let mut closed = None;
    // It ends by itself when its last connection is closed, or at its own end, which is later than it may take.
    while begun.elapsed() < lasts && (closed.is_none() || attack.try_wait()?.is_none()) {
        let open = sockets(pid, port).len().saturating_sub(usual);
        most = most.max(open);
        let gone = open == 0 && most >= SLOW / 2;
        closed = if gone { closed.or_else(|| Some(begun.elapsed())) } else { None };
        sleep(LOOK).await;
    }
    let (end, by) = (Instant::now(), opening + way.limit + GRACE);
    let _ = attack.kill().await;
    let p99 = |from, to| p99(&scene.client.ledger().entries(), from, to);
    let (before, during) = (p99(quiet, quiet_until), p99(begun, end));
    let name = way.name;
    finding.note(format!(
        "{name}: {most} slow at once, gone after {}, p99 {:.1} ms before, {:.1} ms meanwhile",
        closed
            .map_or_else(|| "never".to_owned(), |closed| format!("{:.1} s", closed.as_secs_f64())),
        before.as_secs_f64() * 1e3,
        during.as_secs_f64() * 1e3
    ));
    // The share of the machine is only of interest where the service alone may be too slow.
    let mut elsewhere = Duration::ZERO;
    if during > 3 * before {
        let decoyed = Instant::now();
        attack_decoy(&way).await?;
        elsewhere = p99(decoyed + DECOY / 3, Instant::now());
        finding.note(format!("{:.1} ms while a decoy is attacked", elsewhere.as_secs_f64() * 1e3));
    }
    load.finish().await?;

    let entries = scene.client.ledger().entries();
    finding
        .require_in_time(most >= SLOW / 2, || format!("{name}: only {most} slow clients at once"));
    finding.require_in_time(closed.is_some_and(|closed| closed <= by), || {
        format!("{name}: the slow clients were not all sent away within {} s", by.as_secs())
    });
    finding.require_in_time(during <= 3 * before.max(elsewhere), || {
        format!("{name}: the 99th percentile of others went from {elsewhere:?} to {during:?}")
    });
    let others =
        entries.iter().filter(|entry| !matches!(entry.outcome, Outcome::Acknowledged(..))).count();
    finding.require(others == 0, || {
        format!("{name}: {others} requests of others were not answered with 200")
    });
    scene.judge(None, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

/// Starts them.
fn attackers(way: &Way, url: &str, lasts: Duration) -> anyhow::Result<Child> {
    let mut wrapper = limited(8_192).into_iter();
    let attackers = Command::new(wrapper.next().context("no shell")?)
        .args(wrapper)
        // They have machines of their own, and here what others leave of this one.
        .args(["chrt", "--idle", "0"])
        .args(["slowhttptest", "-c", &SLOW.to_string(), "-r", &PER_SECOND.to_string(), "-p", "2"])
        .args(["-l", &lasts.as_secs().to_string(), "-u", url])
        .args(way.arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(attackers)
}

/// The same attack on a port where connections are taken, left alone and closed after a while: what this costs others is
/// the machine's share. Once they are closed, `slowhttptest` takes a processor to look at what it has lost.
async fn attack_decoy(way: &Way) -> anyhow::Result<()> {
    let decoy = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}{}", decoy.local_addr()?, way.path);
    let (mut attackers, end) = (attackers(way, &url, DECOY)?, Instant::now() + DECOY);
    let mut taken = JoinSet::new();
    while let Ok(connection) = timeout_at(end.into(), decoy.accept()).await {
        let (connection, _) = connection?;
        taken.spawn(async move {
            sleep(DECOY / 3).await;
            drop(connection);
        });
    }
    let _ = attackers.kill().await;
    Ok(())
}

fn p99(entries: &[Entry], from: Instant, to: Instant) -> Duration {
    let within = entries.iter().filter(|entry| (from..to).contains(&entry.sent));
    percentile(&mut within.map(|entry| entry.took).collect::<Vec<_>>(), 0.99).unwrap_or_default()
}
