//! Keeping PostgreSQL alive.

use std::error::Error as _;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::Error;
use crate::cluster::Cluster;
use crate::server::Server;
use crate::stop::Stop;
use crate::way::Way;

/// How soon an end is noticed.
const GLANCE: Duration = Duration::from_millis(50);

/// The pause before the second attempt in a row to start it; it doubles from one attempt to the next.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long it must have run for the next end to be a new story.
const STEADY: Duration = Duration::from_secs(10);

/// How long a first start puts up with the remains of a predecessor.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts PostgreSQL for the first time: fails at once, except for what time heals.
pub(crate) fn start(cluster: &Cluster, stop: &Stop) -> Result<Server, Error> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = SHORTEST_PAUSE;
    loop {
        let outcome = Server::start(cluster, stop);
        let passing = outcome.as_ref().is_err_and(Error::is_passing);
        if !passing || Instant::now() > deadline || stop.within(pause) {
            return outcome;
        }
        pause = longer(pause);
    }
}

/// Watches `server` and restarts it, for ever, until `stop` is wished; then stops it.
pub(crate) fn watch(cluster: &Cluster, mut server: Server, stop: &Stop) -> Result<(), Error> {
    let mut started = Instant::now();
    let mut pause = Duration::ZERO;
    let mut way = Way::default();
    loop {
        if stop.within(GLANCE) {
            return server.stop();
        }
        match server.exited()? {
            Some(status) => warn!("PostgreSQL ended unexpectedly ({status}): restarting it"),
            None if way.is_lost(cluster) => {
                warn!(
                    "the socket of PostgreSQL is gone from {}: nobody can reach it any more, so it \
                     is restarted",
                    cluster.socket_dir.display()
                );
                server.stop()?;
            }
            None => continue,
        }
        if started.elapsed() > STEADY {
            pause = Duration::ZERO;
        }
        server = loop {
            if stop.within(pause) {
                return Ok(());
            }
            pause = longer(pause);
            match Server::start(cluster, stop) {
                Ok(server) => break server,
                Err(Error::CalledOff) => return Ok(()),
                Err(error) => {
                    let cause =
                        error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                    warn!("PostgreSQL could not be restarted: {error}{cause}");
                }
            }
        };
        started = Instant::now();
        way = Way::default();
        info!("restarted PostgreSQL");
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}
