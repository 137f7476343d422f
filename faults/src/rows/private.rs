//! Row 50: the directory of the private PostgreSQL's socket is cleaned away, and its sessions end.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use super::outage::CLIENTS;
use crate::client::Client;
use crate::finding::{Allowed, Finding};
use crate::ledger::{Ledger, Outcome};
use crate::load::{Load, Mix};
use crate::resources::children;
use crate::run::Run;
use crate::service::Service;

/// How long it may take until predictions are answered again.
const BACK: Duration = Duration::from_secs(30);

pub(super) async fn socket_gone(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    // With a blank in its path, the data directory cannot hold the socket.
    let data = run.scratch.join("private data");
    let launch = run.launch().set("DATA_DIR", data.display().to_string());
    let mut service = Service::new(launch, run.log());
    service.start().await?;
    let ledger = Ledger::open(&run.scratch.join("ledger-private"))?;
    let client = Client::new(service.address(), ledger, None)?;
    let load = Load::closed(&client, CLIENTS, &Mix::ordinary(), run.seed);
    load.acknowledged(100).await?;
    for _ in 0..run.scaled(5, 1) {
        let directory = fs::read_link(data.join("socket-directory"))
            .context("the socket is in the data directory")?;
        fs::remove_dir_all(&directory)?;
        end_sessions(&data.join("postgres"))?;
        let begun = Instant::now();
        sleep(Duration::from_millis(500)).await;
        load.acknowledged(50).await?;
        let back = begun.elapsed();
        finding.note(format!("back after {:.1} s", back.as_secs_f64()));
        finding.require_in_time(back <= BACK, || format!("back only after {back:?}"));
    }
    load.finish().await?;
    let entries = client.ledger().entries();
    finding.told(&entries, Allowed::Answers);
    let mut rows = 0;
    for entry in &entries {
        let Outcome::Acknowledged(answers, _) = &entry.outcome else { continue };
        for answer in answers {
            let (status, _) = client.get(&format!("/predictions/{}", answer.id)).await?;
            finding.require(status == 200, || {
                format!("{} was acknowledged, and is told {status} now", answer.id)
            });
            rows += 1;
        }
    }
    finding.note(format!("{rows} acknowledged rows are there"));
    service.stop().await?;
    Ok(finding)
}

/// Ends every session of a cluster.
fn end_sessions(cluster: &Path) -> anyhow::Result<()> {
    let file = fs::read_to_string(cluster.join("postmaster.pid"))?;
    let postmaster = file.lines().next().context("no process")?.parse()?;
    let is_session = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.contains("onrecord onrecord"))
    };
    let sessions: Vec<_> = children(postmaster).into_iter().filter(is_session).collect();
    ensure!(!sessions.is_empty(), "there are no sessions");
    for pid in sessions {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
    }
    Ok(())
}
