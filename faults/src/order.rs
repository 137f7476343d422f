//! The order of things: by strace, that the WAL is flushed between the arrival of a statement and the 200 to its client.
//!
//! Killing processes cannot show this: what a killed process has written is in the system's cache, flushed or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::finding::Finding;
use crate::ledger::Outcome;
use crate::resources::children;
use crate::row::{Need, Row};
use crate::run::Run;
use crate::scene::{Scene, Setup};

/// What is watched: what a flush, an arrival and an answer are made of.
const CALLS: &str = "trace=fdatasync,fsync,recvfrom,read,readv,recvmsg,sendto,write,writev,sendmsg";

/// How many requests are followed, one after the other, so that it is certain what belongs to which.
const REQUESTS: usize = 100;

/// The check, told as a row of the matrix.
pub(crate) const ORDER: Row = Row {
    number: 0,
    name: "order",
    does: "the WAL is flushed before each 200 leaves",
    needs: &[Need::Program("strace")],
    quick: true,
    run: |run| Box::pin(flushed_before_answered(run)),
};

/// Follows requests, and requires of each that its WAL was flushed in between; then breaks the flush, which must show.
async fn flushed_before_answered(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let kept = follow(&run, Vec::new()).await?;
    finding.note(format!(
        "{} answers 200, {} with a flush of the WAL between statement and answer",
        kept.answers, kept.flushed
    ));
    finding.require(kept.answers == REQUESTS, || {
        format!("{} answers of {REQUESTS} were seen", kept.answers)
    });
    finding.require(kept.flushed == kept.answers, || "an answer left before its flush".to_owned());
    // The check itself must be able to fail; with `fsync=off` the service would not start.
    let broken = "wal_sync_method=open_datasync";
    let found = follow(&run, vec![broken]).await?;
    finding.note(format!("with {broken}: {} of {}", found.flushed, found.answers));
    finding.require(found.answers == REQUESTS && found.flushed < REQUESTS / 10, || {
        format!("with {broken} the check still saw {} flushes", found.flushed)
    });
    Ok(finding)
}

/// How many answers were seen, and before how many of them there was a flush.
#[derive(Debug, Default, PartialEq, Eq)]
struct Followed {
    answers: usize,
    flushed: usize,
}

async fn follow(run: &Run, settings: Vec<&'static str>) -> anyhow::Result<Followed> {
    // Nothing else flushes meanwhile.
    let settings = [settings, vec!["autovacuum=off", "checkpoint_timeout=1h"]].concat();
    let scene = Scene::set(run, Setup { settings, ..Setup::default() }).await?;
    let send = async || {
        let told = scene.client.send(&scene.client.ledger().attempt(1, None)).await?;
        ensure!(matches!(told, Outcome::Acknowledged(..)), "a request was told {told:?}");
        Ok(())
    };
    // The sessions are there, and their statements prepared.
    for _ in 0..20 {
        send().await?;
    }
    let (service, postmaster) = (scene.service.pid()?, scene.postgres.pid()?);
    let path = run.scratch.join("strace");
    let mut command = Command::new("strace");
    command.args(["-f", "-ttt", "-y", "-s", "64", "-e", CALLS, "-o"]).arg(&path);
    for pid in [service, postmaster].into_iter().chain(children(postmaster)) {
        command.arg("-p").arg(pid.to_string());
    }
    let mut strace = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("no strace")?;
    attached(service).await?;
    for _ in 0..REQUESTS {
        send().await?;
    }
    let threads = fs::read_dir(format!("/proc/{service}/task"))?.flatten();
    let threads: BTreeSet<u32> =
        threads.filter_map(|task| task.file_name().to_str()?.parse().ok()).collect();
    if let Some(pid) = strace.id() {
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGINT)?;
    }
    timeout(Duration::from_secs(20), strace.wait()).await.context("strace does not end")??;
    read(&path, &threads)
}

/// Waits until somebody traces every thread of this process.
async fn attached(pid: u32) -> anyhow::Result<()> {
    for _ in 0..500 {
        let tasks: Vec<_> = fs::read_dir(format!("/proc/{pid}/task"))?.flatten().collect();
        let traced = |status: String| !status.contains("TracerPid:\t0\n");
        if tasks.iter().all(|task| fs::read_to_string(task.path().join("status")).is_ok_and(traced))
        {
            // The others are attached after it.
            sleep(Duration::from_millis(500)).await;
            return Ok(());
        }
        sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("strace does not attach")
}

fn read(path: &Path, service: &BTreeSet<u32>) -> anyhow::Result<Followed> {
    Ok(judge(&fs::read_to_string(path)?, service))
}

/// Goes through what strace wrote, in the order in which it happened.
fn judge(trace: &str, service: &BTreeSet<u32>) -> Followed {
    let mut followed = Followed::default();
    // Whether a statement has arrived at PostgreSQL since the last answer, and whether the WAL was flushed since then.
    let (mut arrived, mut flushed) = (false, false);
    // Flushes of the WAL that have begun since the statement arrived.
    let mut flushing: BTreeMap<u32, bool> = BTreeMap::new();
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let Ok(pid) = pid.parse::<u32>() else { continue };
        let of_service = service.contains(&pid);
        let call = call.trim_start().split_once(' ').map_or("", |(_, call)| call);
        if of_service {
            if !call.starts_with("<...") && call.contains("HTTP/1.1 200") {
                followed.answers += 1;
                followed.flushed += usize::from(flushed);
                (arrived, flushed) = (false, false);
                flushing.clear();
            }
            continue;
        }
        let syncs = |call: &str| call.starts_with("fdatasync(") || call.starts_with("fsync(");
        if is_arrival(call) {
            arrived = true;
        } else if syncs(call) && call.contains("/pg_wal/") && arrived {
            if call.ends_with("= 0") {
                flushed = true;
            } else if call.contains("<unfinished") {
                flushing.insert(pid, true);
            }
        } else if call.starts_with("<... f")
            && call.contains("sync resumed")
            && call.ends_with("= 0")
        {
            flushed |= flushing.remove(&pid).unwrap_or(false);
        }
    }
    followed
}

/// Whether PostgreSQL has received something.
fn is_arrival(call: &str) -> bool {
    let receives = call.starts_with("recvfrom(") || call.starts_with("<... recvfrom resumed");
    let received = call.rsplit("= ").next().and_then(|n| n.split(' ').next()?.parse::<i64>().ok());
    receives && received.is_some_and(|n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVES: &str = "20 1.0 recvfrom(9<socket:[1]>, \"B\\0\", 8192, 0, NULL, NULL) = 99\n";
    const FLUSHES: &str = "20 1.1 fdatasync(5</data/pg_wal/000000010000000000000001>) = 0\n";
    const ANSWERS: &str =
        "10 1.2 sendto(7<socket:[2]>, \"HTTP/1.1 200 OK\\r\\n\", 400, 0, NULL, 0) = 400\n";

    fn judged(lines: &[&str]) -> Followed {
        judge(&lines.concat(), &[10].into())
    }

    #[test]
    fn a_flush_counts_between_statement_and_answer_only() {
        assert_eq!(judged(&[ARRIVES, FLUSHES, ANSWERS]), Followed { answers: 1, flushed: 1 });
        for wrong in [[ARRIVES, ANSWERS, FLUSHES], [FLUSHES, ARRIVES, ANSWERS]] {
            assert_eq!(judged(&wrong), Followed { answers: 1, flushed: 0 });
        }
    }

    #[test]
    fn a_flush_counts_when_it_is_over() {
        let begins = "20 1.1 fdatasync(5</data/pg_wal/1> <unfinished ...>\n";
        let ends = "20 1.1 <... fdatasync resumed>) = 0\n";
        let fails = "20 1.1 <... fdatasync resumed>) = -1 EIO (Input/output error)\n";
        assert_eq!(judged(&[ARRIVES, begins, ends, ANSWERS]).flushed, 1);
        assert_eq!(judged(&[ARRIVES, begins, ANSWERS, ends]).flushed, 0);
        assert_eq!(judged(&[begins, ARRIVES, ends, ANSWERS]).flushed, 0);
        assert_eq!(judged(&[ARRIVES, begins, fails, ANSWERS]).flushed, 0);
    }

    #[test]
    fn a_flush_of_another_file_does_not_count() {
        let other = "20 1.1 fdatasync(5</data/base/1>) = 0\n";
        assert_eq!(judged(&[ARRIVES, other, ANSWERS]).flushed, 0);
    }
}
