//! The look at all connections, four times a second, that ends those that take too long.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::crowd::Crowd;
use super::limits::Limits;
use super::progress::{Clock, Progress, Told, WaitsFor};

/// How long from one look to the next, and so how much a limit may be off.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// The pause between two looks at the crowd, for each connection in it: a look costs more where there are more connections.
const BETWEEN_LOOKS: Duration = Duration::from_micros(1);

/// How long a connection may take to end that was told to, before it is closed.
const FAREWELL: Duration = Duration::from_secs(1);

fn elapsed(clock: &Clock, since: u32) -> Duration {
    Duration::from_millis(clock.load(Relaxed).wrapping_sub(since).into())
}

/// Watches over the connections of a server.
#[derive(Debug)]
pub(super) struct Sweep {
    limits: Limits,
    started: Instant,
    clock: Arc<Clock>,
    crowd: Crowd,
    /// When the crowd was looked at last.
    looked: u32,
    connections: Vec<Arc<Progress>>,
    /// When the server was asked to stop.
    stopping: Option<Instant>,
}

impl Sweep {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            crowd: Crowd::up_to(limits.connections),
            looked: 0,
            limits,
            started: Instant::now(),
            clock: Arc::default(),
            connections: Vec::new(),
            stopping: None,
        }
    }

    /// Whether there may be one connection more.
    pub(super) fn has_room(&self) -> bool {
        self.crowd.has_room()
    }

    /// Watches over one connection more; nothing if there are too many from there.
    pub(super) fn watch(&mut self, peer: IpAddr) -> Option<Arc<Progress>> {
        // While there was no connection, nobody has looked at the clock.
        self.set_clock();
        let network = access::network(peer);
        if self.crowd.needs_look() {
            self.look_at_crowd();
        }
        let seat = match self.crowd.seat(network) {
            Some(seat) => seat,
            None if self.may_look_again() => {
                self.look_at_crowd();
                self.crowd.seat(network)?
            }
            None => return None,
        };
        let progress = Arc::new(Progress::new(Arc::clone(&self.clock), network, seat));
        self.connections.push(Arc::clone(&progress));
        Some(progress)
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
        self.look_at_crowd();
        if self.crowd.is_scarce() {
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
        elapsed(&self.clock, since)
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
            let stranger = !connection.was_let_in();
            if stranger && self.crowd.is_scarce() {
                limit.min(self.limits.silent_when_scarce)
            } else {
                limit
            }
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

    /// Whether the last look at the crowd is long enough ago for another one.
    fn may_look_again(&self) -> bool {
        let connections = u32::try_from(self.connections.len()).unwrap_or(u32::MAX);
        // The clock counts milliseconds: where there are few connections, every one that comes may look.
        self.elapsed(self.looked).as_millis() >= (BETWEEN_LOOKS * connections).as_millis()
    }

    fn look_at_crowd(&mut self) {
        self.looked = self.clock.load(Relaxed);
        let (clock, connections) = (Arc::clone(&self.clock), &self.connections);
        self.crowd.look(connections, |since| elapsed(&clock, since));
    }

    /// Ends a sixty-fourth of all connections, as few others may be let in: first those that have brought nothing.
    pub(super) fn make_room(&mut self) {
        self.crowd.end(self.connections.len().div_ceil(64));
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
