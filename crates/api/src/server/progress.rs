//! How far a connection is: noted by its task, judged by the sweep.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::task::Context;

use futures_util::task::AtomicWaker;

use super::crowd::Seat;

/// The time as the sweep last saw it, in milliseconds since the server began.
///
/// Coarse, but free to read: a look at the clock, or a timer, for each request costs more than all the notes together.
pub(super) type Clock = AtomicU32;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// The end of the handshake of an encrypted connection.
    Handshake,
    FirstByte,
    /// The rest of the head of a request.
    Head,
    /// The rest of the body of a request; only known of HTTP/1.
    Body,
    Answer,
    NextRequest,
}

/// What a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    /// To end when what is in work is answered.
    Finish,
    /// To end now.
    Close,
}

/// How far one connection is.
///
/// Each note is a load and a store or two. Nothing hangs on their order: at worst the sweep sees one of them a moment late.
#[derive(Debug)]
pub(super) struct Progress {
    clock: Arc<Clock>,
    waits_for: AtomicU8,
    /// Since when it waits for that, or, while a request is in work, since when that is.
    since: AtomicU32,
    /// Since when the client has not taken what is ready for it; 0 if it has.
    stuck_since: AtomicU32,
    /// How many bytes it has taken since then.
    taken: AtomicU32,
    /// How many requests are in work; more than one only with HTTP/2.
    requests: AtomicU32,
    /// How many bytes of large answers are in memory, and since when there are any.
    unsent: AtomicUsize,
    unsent_since: AtomicU32,
    http2: AtomicBool,
    told: AtomicU8,
    task: AtomicWaker,
    network: IpAddr,
    opened: u32,
    seat: Seat,
    /// Whether a request was let in here.
    let_in: AtomicBool,
    ended: AtomicBool,
}

/// The connection that a request came on, for those who know who sends it.
#[derive(Debug, Clone)]
pub(crate) struct Client(pub(super) Arc<Progress>);

impl Client {
    /// Notes that a request was let in: where connections are scarce, this one does not go before strangers.
    pub(crate) fn was_let_in(&self) {
        if !self.0.was_let_in() {
            self.0.let_in.store(true, Relaxed);
        }
    }
}

/// Notes the end of a connection when it is dropped.
#[derive(Debug)]
pub(super) struct Leaves(pub(super) Arc<Progress>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.ended.store(true, Relaxed);
        self.0.leave_seat();
    }
}

impl Progress {
    pub(super) fn new(clock: Arc<Clock>, network: IpAddr, seat: Seat) -> Self {
        let now = clock.load(Relaxed);
        Self {
            clock,
            waits_for: (WaitsFor::FirstByte as u8).into(),
            since: now.into(),
            stuck_since: 0.into(),
            taken: 0.into(),
            requests: 0.into(),
            unsent: 0.into(),
            unsent_since: 0.into(),
            http2: false.into(),
            told: (Told::Nothing as u8).into(),
            task: AtomicWaker::new(),
            network,
            opened: now,
            seat,
            let_in: false.into(),
            ended: false.into(),
        }
    }

    pub(super) fn now(&self) -> u32 {
        self.clock.load(Relaxed)
    }

    fn set(&self, waits_for: WaitsFor) {
        self.waits_for.store(waits_for as u8, Relaxed);
    }

    fn set_from_now(&self, waits_for: WaitsFor) {
        self.since.store(self.now(), Relaxed);
        self.set(waits_for);
    }

    /// The connection begins with a handshake.
    pub(super) fn shaking_hands(&self) {
        self.set(WaitsFor::Handshake);
    }

    /// The handshake is done.
    pub(super) fn shaken_hands(&self) {
        self.set_from_now(WaitsFor::FirstByte);
    }

    /// These bytes have come.
    pub(super) fn received(&self, bytes: &[u8]) {
        match self.waits_for() {
            // An HTTP/2 connection begins with a word of its own, and is not between requests as others are.
            WaitsFor::FirstByte if bytes.starts_with(b"PRI") => {
                self.http2.store(true, Relaxed);
                self.seat.take();
                self.set_from_now(WaitsFor::NextRequest);
            }
            WaitsFor::FirstByte => self.set_from_now(WaitsFor::Head),
            WaitsFor::NextRequest if !self.http2.load(Relaxed) => self.set_from_now(WaitsFor::Head),
            WaitsFor::Body => self.set(WaitsFor::Answer),
            _ => {}
        }
    }

    /// More is wanted, and nothing is there: with HTTP/1 only a body is read while a request is in work.
    pub(super) fn starved(&self) {
        if self.waits_for() == WaitsFor::Answer && self.requests() > 0 && !self.http2.load(Relaxed)
        {
            self.set(WaitsFor::Body);
        }
    }

    /// There are bytes for the client, and it does not take them.
    pub(super) fn stuck(&self) {
        if self.stuck_since().is_none() {
            self.taken.store(0, Relaxed);
            self.stuck_since.store(self.now().max(1), Relaxed);
        }
    }

    /// The client has taken so many bytes.
    pub(super) fn took(&self, bytes: usize) {
        if self.stuck_since().is_some() {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            self.taken.store(self.taken().saturating_add(bytes), Relaxed);
        }
    }

    /// Everything there was has been sent.
    pub(super) fn sent(&self) {
        self.stuck_since.store(0, Relaxed);
        if matches!(self.waits_for(), WaitsFor::Answer | WaitsFor::Body) && self.requests() == 0 {
            self.set_from_now(WaitsFor::NextRequest);
        }
    }

    /// A request is in work, until what is returned is dropped.
    pub(super) fn request(self: &Arc<Self>) -> InWork {
        self.requests.fetch_add(1, Relaxed);
        self.set_from_now(WaitsFor::Answer);
        InWork(Arc::clone(self))
    }

    /// So many bytes of an answer are in memory, until what is returned is dropped.
    pub(super) fn unsent(self: &Arc<Self>, bytes: usize) -> Unsent {
        if self.unsent.fetch_add(bytes, Relaxed) == 0 {
            self.unsent_since.store(self.now(), Relaxed);
        }
        Unsent { of: Arc::clone(self), bytes }
    }

    pub(super) fn waits_for(&self) -> WaitsFor {
        use WaitsFor as W;
        let all = [W::Handshake, W::FirstByte, W::Head, W::Body, W::Answer, W::NextRequest];
        all[usize::from(self.waits_for.load(Relaxed))]
    }

    /// The network that the client is in.
    pub(super) fn network(&self) -> IpAddr {
        self.network
    }

    /// When it was accepted.
    pub(super) fn opened(&self) -> u32 {
        self.opened
    }

    /// Whether a request was let in here.
    pub(super) fn was_let_in(&self) -> bool {
        self.let_in.load(Relaxed)
    }

    /// Frees its seat.
    pub(super) fn leave_seat(&self) {
        self.seat.leave();
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Whether it was told to end.
    pub(super) fn is_told(&self) -> bool {
        self.told() != Told::Nothing
    }

    /// Whether nothing is in work, and the next request has not begun.
    pub(super) fn is_idle(&self) -> bool {
        self.waits_for() == WaitsFor::NextRequest && self.requests() == 0
    }

    pub(super) fn since(&self) -> u32 {
        self.since.load(Relaxed)
    }

    pub(super) fn stuck_since(&self) -> Option<u32> {
        Some(self.stuck_since.load(Relaxed)).filter(|since| *since != 0)
    }

    pub(super) fn taken(&self) -> u32 {
        self.taken.load(Relaxed)
    }

    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    /// How many bytes of large answers are in memory, and since when there are any.
    pub(super) fn unsent_bytes(&self) -> (usize, u32) {
        (self.unsent.load(Relaxed), self.unsent_since.load(Relaxed))
    }

    /// Tells the connection to end.
    pub(super) fn tell(&self, what: Told) {
        if self.told.fetch_max(what as u8, Relaxed) < what as u8 {
            self.task.wake();
        }
    }

    /// The task of this context is woken when it is told something the next time.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
    }

    pub(super) fn told(&self) -> Told {
        [Told::Nothing, Told::Finish, Told::Close][usize::from(self.told.load(Relaxed))]
    }
}

/// A request in work.
#[derive(Debug)]
pub(super) struct InWork(Arc<Progress>);

impl InWork {
    /// The connection it came on.
    pub(super) fn connection(&self) -> &Arc<Progress> {
        &self.0
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// Bytes of an answer that are in memory.
#[derive(Debug)]
pub(super) struct Unsent {
    of: Arc<Progress>,
    bytes: usize,
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.of.unsent.fetch_sub(self.bytes, Relaxed);
    }
}
