//! The look at all connections, four times a second, that ends those that take too long.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::limits::Limits;
use super::progress::{Clock, Progress, Told, WaitsFor};

/// How long from one look to the next, and so how much a limit may be off.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// How long a connection may take to end that was told to, before it is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Watches over the connections of a server.
#[derive(Debug)]
pub(super) struct Sweep {
    limits: Limits,
    started: Instant,
    clock: Arc<Clock>,
    connections: Vec<Arc<Progress>>,
    /// When the server was asked to stop.
    stopping: Option<Instant>,
}

impl Sweep {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            started: Instant::now(),
            clock: Arc::default(),
            connections: Vec::new(),
            stopping: None,
        }
    }

    /// Watches over one connection more.
    pub(super) fn watch(&mut self) -> Arc<Progress> {
        // While there was no connection, nobody has looked at the clock.
        self.set_clock();
        let progress = Arc::new(Progress::new(Arc::clone(&self.clock)));
        self.connections.push(Arc::clone(&progress));
        progress
    }

    /// Tells all connections to end. From now on requests that are sent in part have little time left.
    pub(super) fn stop(&mut self) {
        self.stopping = Some(Instant::now());
        for connection in &self.connections {
            connection.tell(Told::Finish);
        }
    }

    /// Looks at all of them once.
    pub(super) fn pass(&mut self) {
        self.set_clock();
        // Those of which nobody else knows have ended.
        self.connections.retain(|connection| Arc::strong_count(connection) > 1);
        for connection in &self.connections {
            self.judge(connection);
        }
        if self.connections.len() >= self.limits.connections {
            self.make_room();
        }
        self.free_memory();
    }

    fn set_clock(&self) {
        // It goes round after 49 days, which differences do not mind.
        #[expect(clippy::cast_possible_truncation, reason = "differences are taken modulo 2^32")]
        self.clock.store(self.started.elapsed().as_millis() as u32, Relaxed);
    }

    fn elapsed(&self, since: u32) -> Duration {
        Duration::from_millis(self.clock.load(Relaxed).wrapping_sub(since).into())
    }

    fn judge(&self, connection: &Progress) {
        let Limits { handshake, first_byte, head, idle, answer, receiving, .. } = self.limits;
        if let Some(since) = connection.stuck_since() {
            let bought = connection.taken() / self.limits.taken_per_second;
            if self.elapsed(since) > receiving + Duration::from_secs(bought.into()) {
                debug!("a client took too long to receive an answer");
                connection.tell(Told::Close);
                return;
            }
        }
        let waited = self.elapsed(connection.since());
        let mut waits_for = connection.waits_for();
        if waits_for == WaitsFor::Answer && connection.requests() == 0 {
            // Its client has withdrawn the request.
            waits_for = WaitsFor::NextRequest;
        }
        if let Some(stopping) = self.stopping {
            let waits_for_client = waits_for != WaitsFor::Answer;
            if waits_for_client && waited.min(stopping.elapsed()) > self.limits.half_sent {
                connection.tell(Told::Close);
            }
            return;
        }
        let silent = |limit: Duration| {
            if self.is_scarce() { limit.min(self.limits.silent_when_scarce) } else { limit }
        };
        match waits_for {
            WaitsFor::Handshake if waited > silent(handshake) => {
                debug!("a client took too long to shake hands");
                connection.tell(Told::Close);
            }
            WaitsFor::FirstByte if waited > silent(first_byte) => connection.tell(Told::Close),
            WaitsFor::Head if waited > head => {
                debug!("a client took too long to send the head of a request");
                connection.tell(Told::Close);
            }
            WaitsFor::NextRequest if waited > silent(idle) + FAREWELL => {
                connection.tell(Told::Close);
            }
            WaitsFor::NextRequest if waited > silent(idle) => connection.tell(Told::Finish),
            WaitsFor::Body | WaitsFor::Answer if waited > answer => {
                warn!("a request was not answered within {answer:?}; its connection is closed");
                connection.tell(Told::Close);
            }
            _ => {}
        }
    }

    /// Whether more than nine tenths of the connections are in use.
    fn is_scarce(&self) -> bool {
        self.connections.len() * 10 > self.limits.connections * 9
    }

    /// Nobody can be let in: ends those that have been idle for the longest, a sixteenth of all.
    pub(super) fn make_room(&self) {
        let idle = |it: &&Arc<Progress>| it.waits_for() == WaitsFor::NextRequest;
        let mut idle: Vec<_> = self.connections.iter().filter(idle).collect();
        idle.sort_by_cached_key(|connection| Reverse(self.elapsed(connection.since())));
        for connection in idle.into_iter().take(self.connections.len().div_ceil(16)) {
            connection.tell(Told::Finish);
        }
    }

    /// If too much memory waits for clients, ends the connections that have had theirs for the longest.
    fn free_memory(&self) {
        let held = |it: &Arc<Progress>| it.unsent_bytes().0;
        let mut unsent: usize = self.connections.iter().map(held).sum();
        if unsent <= self.limits.unsent {
            return;
        }
        let mut holding: Vec<_> = self.connections.iter().filter(|it| held(it) > 0).collect();
        holding.sort_by_cached_key(|it| Reverse(self.elapsed(it.unsent_bytes().1)));
        let mut closed = 0;
        for connection in holding {
            if unsent <= self.limits.unsent {
                break;
            }
            unsent = unsent.saturating_sub(held(connection));
            connection.tell(Told::Close);
            closed += 1;
        }
        warn!("answers wait for slow clients in too much memory; {closed} connections are closed");
    }
}
