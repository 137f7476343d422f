//! Accepts connections, serves them, watches over them, and sees them off.

mod answer;
mod certificate;
mod connection;
mod crowd;
mod descriptors;
mod encryption;
mod expiry;
mod handshake;
mod limits;
mod observed;
mod progress;
mod sweep;
#[cfg(test)]
mod tests;
mod transport;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use poem::{Endpoint, Response};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{debug, warn};

pub(crate) use certificate::Files;
pub(crate) use encryption::{Encryption, Shown};
pub(crate) use limits::Limits;
pub(crate) use progress::Client;

use sweep::Sweep;

use crate::tasks::Tasks;

/// How long to wait when the system has no connection to give: without it, a lack of file descriptors would keep a core busy.
const BACK_OFF: Duration = Duration::from_millis(50);

/// A bound address. hyper serves it; poem is the router behind it.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    limits: Limits,
    /// The certificate that clients are shown, if connections are encrypted.
    shown: Option<Shown>,
    /// What renews it, until somebody else does.
    encryption: Option<Encryption>,
}

impl Server {
    /// Binds the address; connections wait from now on. They are encrypted if there is something to encrypt them by.
    pub(crate) async fn bind(
        address: SocketAddr,
        mut limits: Limits,
        encryption: Option<Encryption>,
    ) -> io::Result<Self> {
        limits.connections = descriptors::for_connections(limits.connections);
        let listener = TcpListener::bind(address).await?;
        give_up_after(&listener, limits.receiving)?;
        let shown = encryption.as_ref().map(Encryption::shown);
        Ok(Self { listener, limits, shown, encryption })
    }

    /// The address as clients write it, with the port that was chosen if none was asked for.
    pub(crate) fn url(&self) -> io::Result<String> {
        let scheme = if self.shown.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.listener.local_addr()?))
    }

    /// The certificate that clients are shown, if connections are encrypted.
    pub(crate) fn certificate(&self) -> Option<Shown> {
        self.shown.clone()
    }

    /// Has a background task keep the certificate up to date.
    pub(crate) fn renew_certificate(&mut self, tasks: &mut Tasks) {
        let Some(encryption) = self.encryption.take() else { return };
        let encryption = Arc::new(Mutex::new(encryption));
        tasks.spawn("certificate", move || {
            let encryption = Arc::clone(&encryption);
            async move { encryption.lock().await.keep_up_to_date().await }
        });
    }

    /// Serves until told to stop. Then idle connections are closed, and what is in flight has `grace` to end.
    pub(crate) async fn run<E>(self, endpoint: E, stop: impl Future<Output = ()>, grace: Duration)
    where
        E: Endpoint<Output = Response> + 'static,
    {
        let endpoint = Arc::new(endpoint);
        let protocol = Arc::new(limits::protocol());
        let shown = self.shown;
        let mut sweep = Sweep::new(self.limits);
        let mut connections = JoinSet::new();
        let mut look = interval(sweep::INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if sweep.has_room() => match accepted {
                    Ok((stream, peer)) => {
                        let (endpoint, protocol) = (Arc::clone(&endpoint), Arc::clone(&protocol));
                        let Some(progress) = sweep.watch(peer.ip()) else {
                            debug!(%peer, "a connection was closed: there are too many from its network");
                            continue;
                        };
                        let encryption = shown.as_ref().map(|shown| Arc::clone(&shown.borrow().config));
                        connections.spawn(connection::serve(
                            stream, encryption, peer, endpoint, protocol, progress,
                        ));
                    }
                    Err(error) => {
                        warn!(%error, "a connection was not accepted");
                        sweep.make_room();
                        sleep(BACK_OFF).await;
                    }
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                _ = look.tick(), if !connections.is_empty() => sweep.pass(),
                () = &mut stop => break,
            }
        }
        // Nobody is accepted any more, and whoever is connected hears of it.
        drop(self.listener);
        sweep.stop();
        let mut grace = pin!(sleep(grace));
        while !connections.is_empty() {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                _ = look.tick() => sweep.pass(),
                () = &mut grace => return connections.shutdown().await,
            }
        }
    }
}

/// Has the system end connections, of those accepted from now on, whose client takes nothing for so long: of an answer
/// that fits into its buffers only the system knows whether it is taken.
#[cfg(target_os = "linux")]
fn give_up_after(listener: &TcpListener, limit: Duration) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
    let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
    Ok(setsockopt(listener, TcpUserTimeout, &milliseconds)?)
}

/// Elsewhere such a connection is ended when it has been idle for too long.
#[cfg(not(target_os = "linux"))]
fn give_up_after(_: &TcpListener, _: Duration) -> io::Result<()> {
    Ok(())
}
