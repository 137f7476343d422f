//! The supervisor that started the service and wants to hear how it is: systemd, by the protocol of `sd_notify`.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{self, SocketAddr};
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::time::timeout;
use tracing::warn;

/// How long a word to the supervisor may take; while it is not read, the service has other things to do.
const PATIENCE: Duration = Duration::from_secs(1);

/// The supervisor of this process, if it has one: it is told on a socket of its own.
#[derive(Debug)]
pub(crate) struct Supervisor {
    socket: Option<SocketAddr>,
    /// How long the service may be silent before it is taken to hang.
    pub(crate) silence: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names. A name that cannot be used is logged, and no reason not to serve.
    pub(crate) fn of_this_process() -> Self {
        let named = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = named.and_then(|name| match address(&name) {
            Ok(address) => Some(address),
            Err(error) => {
                warn!("NOTIFY_SOCKET cannot be used, so nobody is told of the start: {error}");
                None
            }
        });
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let silence = number("WATCHDOG_USEC").filter(|&time| is_ours && time > 0);
        Self { silence: silence.filter(|_| socket.is_some()).map(Duration::from_micros), socket }
    }

    #[cfg(test)]
    pub(crate) fn at(socket: &std::path::Path, silence: Duration) -> Self {
        let socket = Some(SocketAddr::from_pathname(socket).unwrap());
        Self { socket, silence: Some(silence) }
    }

    /// The service listens at this address, and the record was found.
    pub(crate) async fn ready(&self, url: &str) {
        self.tell(&format!("READY=1\nSTATUS=Listening on {url}")).await;
    }

    /// The service ends; nothing is wrong if that takes a moment.
    pub(crate) async fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Finishing what is in flight").await;
    }

    /// The service works.
    pub(crate) async fn alive(&self) {
        self.tell("WATCHDOG=1").await;
    }

    async fn tell(&self, words: &str) {
        let Some(address) = &self.socket else { return };
        let told = timeout(PATIENCE, send(address, words)).await;
        if let Err(error) = told.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            let what = words.lines().next().unwrap_or_default();
            warn!("the supervisor of NOTIFY_SOCKET was not told «{what}»: {error}");
        }
    }
}

async fn send(address: &SocketAddr, words: &str) -> io::Result<()> {
    let socket = net::UnixDatagram::unbound()?;
    socket.connect_addr(address)?;
    socket.set_nonblocking(true)?;
    UnixDatagram::from_std(socket)?.send(words.as_bytes()).await.map(|_| ())
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name),
        [b'@', name @ ..] => without_a_file(name),
        _ => Err(io::Error::other("it must begin with / or @")),
    }
}

/// A name that is no path.
#[cfg(target_os = "linux")]
fn without_a_file(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

/// Elsewhere there are none.
#[cfg(not(target_os = "linux"))]
fn without_a_file(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}
