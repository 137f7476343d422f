//! Rows 2 and 3: the service is asked to stop, and clients go away, while requests are under way.

use std::time::{Duration, Instant};

use rand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::finding::{Allowed, Finding};
use crate::ledger::{Doubt, Outcome};
use crate::nemesis::Fault;
use crate::resources::sockets;
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// How many requests are under way when the service is asked to stop.
const UNDER_WAY: usize = 50;

/// How long it may take to stop: what it gives requests in flight, and a second.
const STOP: Duration = Duration::from_secs(6);

/// Row 2. The table is locked, so that it is certain that the requests are under way when the signal comes.
pub(super) async fn asked_to_stop(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("asked to stop");
    let mut scene = Scene::set(&run, Setup::default()).await?;
    let times = run.scaled(20, 3);
    for _ in 0..times {
        let lock = Fault::Locked.strike(&mut scene, &mut random).await?;
        let mut requests = JoinSet::new();
        for _ in 0..UNDER_WAY {
            let client = scene.client.clone();
            requests.spawn(async move { client.send(&client.ledger().attempt(1, None)).await });
        }
        let port: u16 =
            scene.client.address().socket().rsplit(':').next().unwrap_or_default().parse()?;
        while sockets(scene.service.pid()?, port).len() < UNDER_WAY {
            sleep(Duration::from_millis(5)).await;
        }
        // From the connection to the queue.
        sleep(Duration::from_millis(200)).await;
        scene.service.signal(nix::sys::signal::Signal::SIGTERM)?;
        let asked = Instant::now();
        sleep(Duration::from_millis(random.random_range(0..400))).await;
        lock.heal(&mut scene).await?;
        for told in requests.join_all().await {
            let told = told?;
            finding.require(matches!(told, Outcome::Acknowledged(..)), || {
                format!("a request under way was told {told:?}")
            });
        }
        let status = scene.service.ended(STOP).await?;
        finding.require(status.success(), || format!("it ended with {status}"));
        finding.recovery = finding.recovery.max(Some(asked.elapsed()));
        scene.restart_service().await?;
    }
    finding.note(format!("{times} times {UNDER_WAY} under way; recovery is the time to the exit"));
    scene.judge(None, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

/// Row 3. Clients hang up after sending: with FIN, with RST, or in the middle of the body.
pub(super) async fn clients_gone(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut random = run.seed.stream("clients gone");
    let scene = Scene::set(&run, Setup::default()).await?;
    let work = scene.work(4);
    work.load.acknowledged(100).await?;
    let before = scene.service.usage()?;
    let gone = run.scaled(5_000, 500);
    for _ in 0..gone {
        let ledger = scene.client.ledger();
        let attempt = ledger.attempt(random.random_range(1..20), None);
        let place = ledger.note(&attempt)?;
        let body = attempt.body();
        let (path, length) = (attempt.path(), body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut request = format!("{head}{body}").into_bytes();
        if random.random_ratio(1, 4) {
            request.truncate(head.len() + length / 2);
        }
        let mut stream = TcpStream::connect(scene.client.address().socket()).await?;
        stream.write_all(&request).await?;
        sleep(Duration::from_micros(random.random_range(0..3_000))).await;
        if random.random_bool(0.5) {
            stream.set_zero_linger()?;
        } else {
            stream.shutdown().await?;
        }
        drop(stream);
        ledger.settle(place, Outcome::Indeterminate(Doubt::Broken))?;
    }
    sleep(Duration::from_secs(1)).await;
    let after = scene.service.usage()?;
    super::outage::flat(&before, &after, "clients gone", &mut finding);
    let open: i64 = scene
        .postgres
        .connect()
        .await?
        .query_one(
            "select count(*) from pg_stat_activity where state like 'idle in transaction%'",
            &[],
        )
        .await?
        .get(0);
    finding.require(open == 0, || format!("{open} transactions are left open"));
    finding.note(format!(
        "{gone} clients gone, {} descriptors before, {} after",
        before.descriptors, after.descriptors
    ));
    scene.conclude(work, Allowed::Breaks, &mut finding).await?;
    Ok(finding)
}
