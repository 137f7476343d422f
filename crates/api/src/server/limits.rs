//! What a client may take: time, connections, memory.

use std::time::Duration;

use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;

use crate::memory::Memory;

/// The limits of a server. They are for clients that are slow or malicious; an honest one meets none of them.
///
/// The limit of a body is in `strict`, where it is received, and that of the requests in work in `front`: both are
/// answered, which here would be too late or too early.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// How many connections there may be; more wait in the system's queue until one ends.
    pub(crate) connections: usize,
    /// How long the handshake of an encrypted connection may take.
    pub(crate) handshake: Duration,
    /// How long a new connection may be silent.
    pub(crate) first_byte: Duration,
    /// How long the head of a request may take, from its first byte.
    pub(crate) head: Duration,
    /// How long an answered connection may be silent.
    pub(crate) idle: Duration,
    /// How long a connection on which no request was let in may be silent while connections are scarce.
    pub(crate) silent_when_scarce: Duration,
    /// How long an answer may take; a safety net, as every operation has deadlines of its own.
    pub(crate) answer: Duration,
    /// How long a client may take nothing of what is ready for it.
    pub(crate) receiving: Duration,
    /// How many bytes buy it another second.
    pub(crate) taken_per_second: u32,
    /// How many bytes of large answers may wait for their clients, on all connections.
    pub(crate) unsent: usize,
    /// How long a request that is not sent to its end may hold up the stop.
    pub(crate) half_sent: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            handshake: Duration::from_secs(5),
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            silent_when_scarce: Duration::from_secs(1),
            answer: Duration::from_secs(30),
            receiving: Duration::from_secs(20),
            taken_per_second: 16 << 10,
            unsent: 48 << 20,
            half_sent: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// What a connection takes while it is served, in bytes: its task, and a head that is being read. Measured with 4,000
    /// connections.
    const CONNECTION: usize = 40 << 10;

    /// The usual limits, as far as this memory goes.
    pub(crate) fn within(memory: &Memory) -> Self {
        let usual = Self::default();
        let connections = usual.connections.min(memory.connections / Self::CONNECTION).max(1);
        Self { connections, unsent: memory.answers, ..usual }
    }
}

/// The longest head of a request, in bytes.
const LONGEST_HEAD: u16 = 16 << 10;

/// What hyper watches over.
///
/// It has timers as well, but one for each connection or request; the sweep has one for all of them. `max_headers` is left
/// alone: with it hyper allocates for each request.
pub(super) fn protocol() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // A client that has said all is answered, and what it asked for is carried out even if it has gone.
        .half_close(true)
        // Also how much is read of a body at once.
        .max_buf_size(LONGEST_HEAD.into());
    builder
        .http2()
        .max_concurrent_streams(64)
        .max_header_list_size(LONGEST_HEAD.into())
        // Streams that are reset before they are served, and those that break the rules: then the connection ends.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        // What a client may send before it is read, on a stream and on all of them.
        .adaptive_window(false)
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(512 << 10);
    builder
}
