//! Rows 26 and 27: no descriptors, and bodies without end.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::finding::{Allowed, Finding};
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// Row 26: a limit of 64 descriptors and 200 connections.
pub(super) async fn descriptors(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let mut launch = run.launch();
    launch.wrapper = limited(64);
    let scene = Scene::set(&run, Setup { launch: Some(launch), ..Setup::default() }).await?;
    let work = scene.work(4);
    work.load.acknowledged(100).await?;
    work.load.finish().await?;
    // Who finds no place in the queue of the listening socket waits in vain.
    let mut connecting = JoinSet::new();
    for _ in 0..200 {
        let connect = TcpStream::connect(scene.client.address().socket());
        connecting.spawn(timeout(Duration::from_secs(1), connect));
    }
    let connections = connecting.join_all().await;
    let connected = connections.iter().filter(|it| matches!(it, Ok(Ok(_)))).count();
    finding.require_in_time(connected > 64, || format!("only {connected} connections"));
    sleep(Duration::from_millis(500)).await;
    let (before, begun) = (scene.service.usage()?.cpu, Instant::now());
    sleep(Duration::from_secs(run.scaled(10, 3))).await;
    let cpu = (scene.service.usage()?.cpu - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    finding.note(format!("{connected} connections, {:.1} % of a core meanwhile", 100.0 * cpu));
    finding.require_in_time(cpu <= 0.1, || format!("it takes {:.0} % of a core", 100.0 * cpu));
    drop(connections);
    let work = scene.work(4);
    finding.recovered("with descriptors again", scene.well(&work.load).await?);
    work.load.acknowledged(100).await?;
    scene.conclude(work, Allowed::Breaks, &mut finding).await?;
    Ok(finding)
}

/// A shell that sets the limit of descriptors and becomes the program.
pub(super) fn limited(descriptors: u32) -> Vec<String> {
    ["sh", "-c", &format!("ulimit -n {descriptors}; exec \"$@\""), "sh"].map(str::to_owned).into()
}

/// How much more memory a giant body may cost, in kilobytes.
const MORE_KB: u64 = 5 << 10;

/// Row 27: 300 MB in chunks.
pub(super) async fn giant_body(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let scene = Scene::set(&run, Setup::default()).await?;
    let work = scene.work(8);
    work.load.acknowledged(1_000).await?;
    let before = scene.service.usage()?.most_kb;
    for _ in 0..run.scaled(10, 3) {
        let (answer, sent) = endless(scene.client.address().socket(), 300 << 20).await;
        finding.require(answer.starts_with("HTTP/1.1 413"), || format!("it was told {answer:?}"));
        finding.note(format!("413 after {} MB", sent >> 20));
    }
    let after = scene.service.usage()?.most_kb;
    finding.notes.truncate(2);
    // The kernel counts pages for each processor by itself, so that the most it tells may fall by some.
    finding.note(format!("at most {} kB more memory", after.saturating_sub(before)));
    finding
        .require(after <= before + MORE_KB, || format!("memory grew from {before} to {after} kB"));
    scene.conclude(work, Allowed::Answers, &mut finding).await?;
    Ok(finding)
}

/// Sends a body in chunks until this many bytes are sent or nobody takes them; the status line, and how much was sent.
pub(super) async fn endless(socket: String, bytes: usize) -> (String, usize) {
    let Ok(stream) = TcpStream::connect(socket).await else { return Default::default() };
    let (mut reader, mut writer) = stream.into_split();
    let head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        if writer.write_all(head.as_bytes()).await.is_ok() {
            while sent < bytes && writer.write_all(chunk.as_bytes()).await.is_ok() {
                sent += 0x10000;
            }
        }
        sent
    });
    let mut answer = vec![0; 1024];
    let read = timeout(Duration::from_secs(30), reader.read(&mut answer)).await;
    let n = read.ok().and_then(Result::ok).unwrap_or(0);
    let sent = timeout(Duration::from_secs(30), sending).await.ok().and_then(Result::ok);
    let answer = String::from_utf8_lossy(&answer[..n]);
    (answer.lines().next().unwrap_or_default().to_owned(), sent.unwrap_or(0))
}
