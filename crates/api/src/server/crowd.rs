//! How many connections there are, from where, and which of them go when there are too many.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::progress::{Progress, Told};

/// What share of the connections there may be of one network, as its denominator.
const NETWORK: usize = 2;

/// How many connections there are.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    taken: Arc<AtomicUsize>,
    networks: HashMap<IpAddr, Arc<AtomicUsize>>,
    /// The connections that would go first, as they were when somebody looked last: those on which no request was let in.
    strangers: Leaving,
    /// Those that would go next, in networks without strangers: they wait for another request.
    idle: Leaving,
    /// Whether there were strangers when somebody looked last.
    had_strangers: bool,
}

/// Connections that can go, those of each network in the order in which they would.
#[derive(Debug, Default)]
struct Leaving {
    of: HashMap<IpAddr, std::vec::IntoIter<Weak<Progress>>>,
    /// The networks, the one with the most connections first.
    networks: Vec<IpAddr>,
}

/// The seat of a connection among all of them, until this is dropped. One that speaks HTTP/2 takes two, as it takes more
/// memory.
#[derive(Debug)]
pub(super) struct Seat {
    all: Arc<AtomicUsize>,
    network: Arc<AtomicUsize>,
    taken: AtomicUsize,
}

impl Crowd {
    /// No connections yet, and so many at most.
    pub(super) fn up_to(most: usize) -> Self {
        let (taken, networks, strangers, idle, had_strangers) = Default::default();
        Self { most, taken, networks, strangers, idle, had_strangers }
    }

    /// Whether one more can be accepted.
    pub(super) fn has_room(&self) -> bool {
        self.taken.load(Relaxed) < self.most
    }

    /// Whether more than nine tenths of the seats are taken.
    pub(super) fn is_scarce(&self) -> bool {
        self.taken.load(Relaxed) * 10 > self.most * 9
    }

    /// A seat for a connection from this network. Another connection ends for it where seats are scarce.
    ///
    /// Nothing if the network has too many, and none is known that can end; after another [look](Self::look) there may be.
    pub(super) fn seat(&mut self, network: IpAddr) -> Option<Seat> {
        let taken = Arc::clone(self.networks.entry(network).or_default());
        let full = taken.load(Relaxed) >= (self.most / NETWORK).max(1);
        if full && !self.strangers.end_one_of(network) && !self.idle.end_one_of(network) {
            return None;
        }
        if !full && self.is_scarce() {
            self.end_one();
        }
        let seat = Seat { all: Arc::clone(&self.taken), network: taken, taken: 0.into() };
        seat.take();
        Some(seat)
    }

    /// Whether seats are scarce, and all of the strangers who were there at the last look are told to end.
    pub(super) fn needs_look(&self) -> bool {
        self.is_scarce() && self.strangers.networks.is_empty() && self.had_strangers
    }

    /// Looks at all connections, to know which would go first: the oldest of those that have brought nothing; where there
    /// are no such, those that have waited for another request for the longest.
    pub(super) fn look(
        &mut self,
        connections: &[Arc<Progress>],
        elapsed: impl Fn(u32) -> Duration,
    ) {
        self.networks.retain(|_, taken| taken.load(Relaxed) > 0);
        let near = |taken: &AtomicUsize, most: usize| taken.load(Relaxed) * 4 > most * 3;
        let all = near(&self.taken, self.most);
        let mut crowded: Vec<_> = self
            .networks
            .iter()
            .filter(|(_, taken)| all || near(taken, self.most / NETWORK))
            .map(|(network, taken)| (*network, taken.load(Relaxed)))
            .collect();
        crowded.sort_by_key(|(_, taken)| Reverse(*taken));
        let largest = crowded.first().map_or(0, |(_, taken)| *taken);
        let large = crowded.iter().filter(|(_, taken)| *taken * 2 >= largest);
        // Where there are many of one network, no stranger of a small one goes.
        let large: Vec<_> = large.map(|(network, _)| *network).collect();
        let networks: Vec<_> = crowded.into_iter().map(|(network, _)| network).collect();
        let known: HashSet<_> = networks.iter().copied().collect();
        let here = |it: &&Arc<Progress>| !it.has_ended() && known.contains(&it.network());
        let strangers = || connections.iter().filter(here).filter(|it| !it.was_let_in());
        // Those that were told to end free their seats in a moment.
        let with_strangers: HashSet<_> = strangers().map(|it| it.network()).collect();
        self.had_strangers = !with_strangers.is_empty();
        let staying = strangers().filter(|it| !it.is_told());
        self.strangers = Leaving::of(&large, staying.map(|it| (elapsed(it.opened()), it)));
        let idle = connections.iter().filter(here).filter(|it| {
            it.was_let_in()
                && it.is_idle()
                && !it.is_told()
                && !with_strangers.contains(&it.network())
        });
        self.idle = Leaving::of(&networks, idle.map(|it| (elapsed(it.since()), it)));
    }

    /// Ends so many connections, if so many can go.
    pub(super) fn end(&mut self, count: usize) {
        for _ in 0..count {
            if !self.end_one() {
                return;
            }
        }
    }

    fn end_one(&mut self) -> bool {
        self.strangers.end_one() || (!self.had_strangers && self.idle.end_one())
    }
}

impl Leaving {
    /// Those of these networks, each with how long it has been so.
    fn of<'a>(
        networks: &[IpAddr],
        connections: impl Iterator<Item = (Duration, &'a Arc<Progress>)>,
    ) -> Self {
        let mut of: HashMap<_, Vec<_>> = HashMap::new();
        for (time, connection) in connections {
            of.entry(connection.network()).or_default().push((time, Arc::downgrade(connection)));
        }
        let in_order = |mut connections: Vec<(Duration, Weak<Progress>)>| {
            connections.sort_by_key(|(time, _)| Reverse(*time));
            let connections = connections.into_iter().map(|(_, connection)| connection);
            connections.collect::<Vec<_>>().into_iter()
        };
        let of: HashMap<_, _> =
            of.into_iter().map(|(network, them)| (network, in_order(them))).collect();
        let networks = networks.iter().copied().filter(|it| of.contains_key(it));
        Self { networks: networks.collect(), of }
    }

    /// Ends the next one of this network; `false` if there is none.
    fn end_one_of(&mut self, network: IpAddr) -> bool {
        let Some(leaving) = self.of.get_mut(&network) else { return false };
        for connection in leaving {
            // It may have ended, or have brought something since.
            if let Some(connection) = connection.upgrade()
                && !connection.has_ended()
                && !connection.is_told()
                && (!connection.was_let_in() || connection.is_idle())
            {
                connection.tell(if connection.was_let_in() { Told::Finish } else { Told::Close });
                // The one that comes instead need not wait until it has heard.
                connection.leave_seat();
                return true;
            }
        }
        false
    }

    /// Ends one of the largest network that has one to end; `false` if none has.
    fn end_one(&mut self) -> bool {
        while let Some(network) = self.networks.first().copied() {
            if self.end_one_of(network) {
                return true;
            }
            self.networks.remove(0);
        }
        false
    }
}

impl Seat {
    /// Takes one seat more.
    pub(super) fn take(&self) {
        for count in [&self.all, &self.network, &self.taken] {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Frees what it has taken.
    pub(super) fn leave(&self) {
        let taken = self.taken.swap(0, Relaxed);
        self.all.fetch_sub(taken, Relaxed);
        self.network.fetch_sub(taken, Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}
