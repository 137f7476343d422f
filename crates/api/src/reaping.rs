//! What process 1 owes the others: it waits for the end of those whose parents are gone.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tracing::warn;

/// How soon to look again when a child of our own hides others.
const SOON: Duration = Duration::from_secs(1);

/// Reaps the children that nobody here started, for ever; returns at once if this is not process 1.
pub(crate) async fn reap() {
    if std::process::id() != 1 {
        return;
    }
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => {
            warn!(%error, "processes whose parents are gone stay behind as zombies");
            return;
        }
    };
    loop {
        if postmaster::reap_others() {
            // Sooner if another ends.
            let _ = timeout(SOON, ended.recv()).await;
        } else if ended.recv().await.is_none() {
            return;
        }
    }
}
