//! Row 41: outsiders hold what they can, within the smallest memory that `deploy/` gives the service; who shows a key is
//! served as ever.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cgroup::Cgroup;
use crate::finding::{Allowed, Finding, percentile};
use crate::ledger::{Entry, Outcome};
use crate::load::{Load, Mix};
use crate::outsiders::{Outsiders, Way};
use crate::resources::Series;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// The memory of the container in `deploy/kubernetes` and `deploy/README.md`, in bytes.
const MEMORY: usize = 512 << 20;

/// How many times as late as beside a decoy an answer may be.
const AIM: u32 = 3;

/// Single rows: their times are compared.
fn mix() -> Mix {
    Mix { one_batch_of: 0, batch: (1, 1), keyed: None }
}

pub(super) async fn outsiders(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let keys = run.scratch.join("keys-of-outsiders");
    let all = make_key(&run, &keys, &["predict", "read"]).await?;
    let reader = make_key(&run, &keys, &["read"]).await?;
    let group = Cgroup::of_memory(MEMORY);
    if group.is_none() {
        finding.note("SKIPPED: no control group can be made here, so memory is not bounded");
    }
    let mut launch = run.launch().set("API_KEYS_FILE", keys.display().to_string());
    let enter = group.as_ref().map_or_else(|| ":".to_owned(), Cgroup::entering);
    let line = format!("{enter}; ulimit -n 8192; exec \"$@\"");
    launch.wrapper = ["sh", "-c", &line, "sh"].map(str::to_owned).into();
    let setup = Setup { launch: Some(launch), key: Some(all), ..Setup::default() };
    let mut scene = Scene::set(&run, setup).await?;
    fill(&scene, run.scaled(200_000, 20_000)).await?;

    let half = capacity(&scene).await? / 2.0;
    finding.note(format!("keyed requests at {half:.0}/s, half of what is possible"));
    let lasts = Duration::from_secs(run.scaled(60, 8));
    if !run.quick {
        for way in Way::ALL {
            measure(&scene, &[way], &reader, half, lasts, &mut finding).await?;
        }
    }
    // All of them at once are more than this machine can play besides serving them, so each is a third of itself.
    measure(&scene, &Way::ALL, &reader, half / 4.0, lasts, &mut finding).await?;

    let ended = scene.service.exited()?;
    finding.require(ended.is_none(), || format!("the service ended: {ended:?}"));
    if let Some(peak) = group.as_ref().and_then(Cgroup::peak_mb) {
        finding.note(format!("at most {peak} MB of {} in the control group", MEMORY >> 20));
    }
    scene.judge(None, Allowed::Anything, &mut finding).await?;
    drop(scene);
    Ok(finding)
}

/// Makes a key with these scopes.
async fn make_key(run: &Run, file: &std::path::Path, scopes: &[&str]) -> anyhow::Result<String> {
    let mut launch = run.launch().argument("key").argument("new");
    for scope in scopes {
        launch = launch.argument("--scope").argument(*scope);
    }
    let launch = launch.argument("--api-keys-file").argument(file.display().to_string());
    let (status, said) = launch.run(Duration::from_secs(20)).await?;
    ensure!(status.success(), "no key: {said}");
    said.lines().find(|it| it.starts_with("onr_")).map(str::to_owned).context("no secret")
}

/// Gives the record so many rows, for searches to look through.
async fn fill(scene: &Scene, rows: usize) -> anyhow::Result<()> {
    let batches = Mix { one_batch_of: 1, batch: (1_000, 1_000), keyed: None };
    let load = Load::closed(&scene.client, 4, &batches, scene.run.seed);
    load.acknowledged(rows / 1_000).await?;
    load.finish().await
}

/// How many requests a few clients get answered in a second.
async fn capacity(scene: &Scene) -> anyhow::Result<f64> {
    let load = Load::closed(&scene.client, 8, &mix(), scene.run.seed);
    load.acknowledged(200).await?;
    let before = scene.client.ledger().entries().len();
    let begun = Instant::now();
    sleep(Duration::from_secs(2)).await;
    let count = scene.client.ledger().entries().len() - before;
    let lasted = begun.elapsed().as_secs_f64();
    load.finish().await?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = count as f64 / lasted;
    Ok(rate)
}

/// Has keyed clients at work while outsiders attack a decoy, and while they attack the service.
async fn measure(
    scene: &Scene,
    ways: &[Way],
    reader: &str,
    per_second: f64,
    lasts: Duration,
    finding: &mut Finding,
) -> anyhow::Result<()> {
    let (name, part) = match ways {
        [way] => (way.name(), 1),
        _ => ("all at once", 3),
    };
    let load = Load::open(&scene.client, per_second, 2_000, &mix(), scene.run.seed);
    load.acknowledged(100).await?;
    let decoy = decoy().await?;
    let away: Vec<_> = ways.iter().map(|way| Outsiders::at(&decoy.0, *way, reader, part)).collect();
    let control = during(scene, lasts / 2, None).await?;
    drop(away);
    drop(decoy);
    sleep(Duration::from_secs(1)).await;
    let socket = scene.client.address().socket();
    let here: Vec<_> = ways.iter().map(|way| Outsiders::at(&socket, *way, reader, part)).collect();
    let count: usize = here.iter().map(Outsiders::count).sum();
    let probes = Probes::at(scene);
    let attacked = during(scene, lasts, Some(scene.service.pid()?)).await?;
    let (ready, unready) = probes.end().await;
    drop(here);
    load.finish().await?;

    finding.note(format!(
        "{name}: {count} connections, p99 {:.1} ms beside a decoy and {:.1} ms beside them ({} and {} answers), ready {ready} \
         times of {}, resident at most {} MB",
        control.p99.as_secs_f64() * 1e3,
        attacked.p99.as_secs_f64() * 1e3,
        control.answers,
        attacked.answers,
        ready + unready,
        attacked.most_kb >> 10,
    ));
    // All at once they and the service share the processors of one machine, which then is what is short.
    let spare = if ways.len() == 1 { 0 } else { 10 };
    let few = |bad: usize, all: usize| bad * 100 <= all * spare;
    finding.require_in_time(few(attacked.others, attacked.answers + attacked.others), || {
        format!("{name}: {} keyed requests were not answered with 200", attacked.others)
    });
    finding.require_in_time(few(unready, ready + unready) && ready > 0, || {
        format!("{name}: of fresh connections {unready} were not answered with 200, {ready} were")
    });
    if attacked.p99 > AIM * control.p99 {
        finding.note(format!("{name}: p99 is over the aim of {AIM} times the control"));
    }
    Ok(())
}

/// What keyed clients met in some time.
struct Met {
    p99: Duration,
    answers: usize,
    /// How many requests were answered with something else than 200, or not at all.
    others: usize,
    most_kb: u64,
}

async fn during(scene: &Scene, lasts: Duration, pid: Option<u32>) -> anyhow::Result<Met> {
    let (begun, mut series) = (Instant::now(), Series::default());
    while begun.elapsed() < lasts {
        sleep(Duration::from_millis(250)).await;
        if let Some(pid) = pid {
            series.look(begun, pid);
        }
    }
    // Those that were sent just now have no answer yet.
    let end = Instant::now();
    sleep(Duration::from_secs(2)).await;
    let entries = scene.client.ledger().entries();
    let sent = |entry: &&Entry| (begun..end).contains(&entry.sent);
    let mut times = Vec::new();
    let mut others = 0;
    for entry in entries.iter().filter(sent) {
        match entry.outcome {
            Outcome::Acknowledged(..) => times.push(entry.took),
            _ => others += 1,
        }
    }
    let answers = times.len();
    let p99 = percentile(&mut times, 0.99).unwrap_or_default();
    Ok(Met { p99, answers, others, most_kb: series.most_kb() })
}

/// A listener that takes whatever comes and answers nothing, until it is dropped.
async fn decoy() -> anyhow::Result<(String, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut taking = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            taking.spawn(async move {
                let mut taken = [0; 4_096];
                while stream.read(&mut taken).await.is_ok_and(|length| length > 0) {}
            });
        }
    });
    Ok((address, serving))
}

/// Asks whether the service is ready, again and again, each time over a new connection.
struct Probes {
    asking: tokio::task::JoinHandle<(usize, usize)>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Probes {
    fn at(scene: &Scene) -> Self {
        let url = scene.client.address().url("/health/ready");
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let asking = tokio::spawn(async move {
            let (mut ready, mut unready) = (0, 0);
            let client = reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .timeout(Duration::from_secs(2))
                .no_proxy()
                .build();
            let Ok(client) = client else { return (0, 1) };
            while stopped.try_recv().is_err() {
                match client.get(&url).send().await {
                    Ok(response) if response.status() == 200 => ready += 1,
                    _ => unready += 1,
                }
                sleep(Duration::from_millis(200)).await;
            }
            (ready, unready)
        });
        Self { asking, stop }
    }

    async fn end(self) -> (usize, usize) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        self.asking.await.unwrap_or((0, 1))
    }
}
