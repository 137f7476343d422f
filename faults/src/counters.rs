//! The service's own ledger: what it says it received must be what it says became of it, at every moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::Client;
use crate::finding::Finding;

/// A watcher of `GET /ledger`.
#[derive(Debug)]
pub(crate) struct Counters {
    stop: Arc<AtomicBool>,
    task: JoinHandle<(usize, Vec<String>)>,
    client: Client,
}

impl Counters {
    /// Asks every quarter of a second from now on.
    pub(crate) fn watch(client: Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (asking, stopped) = (client.clone(), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut looks = 0;
            let mut wrong = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                // While the service is dead it says nothing.
                if let Ok((200, body)) = asking.get("/ledger").await {
                    looks += 1;
                    wrong.extend(imbalance(&body));
                }
                sleep(Duration::from_millis(250)).await;
            }
            (looks, wrong)
        });
        Self { stop, task, client }
    }

    /// Stops, and adds what it has seen; `recorded`: how many rows the service must say it committed.
    pub(crate) async fn conclude(
        self,
        recorded: Option<usize>,
        finding: &mut Finding,
    ) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let (looks, wrong) = self.task.await.context("the watcher has panicked")?;
        finding.note(format!("{looks} looks at /ledger"));
        finding.failures.extend(wrong.into_iter().take(3));
        if let Some(recorded) = recorded {
            let (status, body) = self.client.get("/ledger").await?;
            let counters: Value = serde_json::from_str(&body).unwrap_or_default();
            finding.require(status == 200 && counters["committed"] == recorded, || {
                format!("{recorded} rows are on the record, and /ledger says {body}")
            });
        }
        Ok(())
    }
}

/// By how much the counters disagree, if they do.
fn imbalance(body: &str) -> Option<String> {
    let counters: Value = serde_json::from_str(body).unwrap_or_default();
    let count = |name: &str| counters[name].as_i64();
    let ends = ["committed", "spooled", "refused", "failed", "waiting"].map(count);
    let sum = ends.iter().try_fold(0, |sum, count| Some(sum + (*count)?));
    (sum.is_none() || sum != count("received")).then(|| format!("/ledger does not add up: {body}"))
}
