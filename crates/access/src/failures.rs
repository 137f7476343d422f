//! How often a peer may show keys that do not count.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// How many networks are told apart; beyond that the limit is common to all.
const MOST: usize = 10_000;

/// How many failed attempts a network may make at once, and how many per second after that. A zero would not compile.
const QUOTA: (NonZeroU32, NonZeroU32) =
    (NonZeroU32::new(600).unwrap(), NonZeroU32::new(10).unwrap());

/// Counts failed attempts by network.
#[derive(Debug)]
pub(crate) struct Failures(DefaultKeyedRateLimiter<IpAddr>);

impl Failures {
    pub(crate) fn new() -> Self {
        let (burst, per_second) = QUOTA;
        Self(RateLimiter::hashmap(Quota::per_second(per_second).allow_burst(burst)))
    }

    /// Counts a failed attempt, or says how long to wait for the next.
    pub(crate) fn count(&self, peer: IpAddr) -> Result<(), Duration> {
        let crowded = self.0.len() >= MOST;
        let network = if crowded { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { network(peer) };
        let wait =
            |refused: governor::NotUntil<_>| refused.wait_time_from(DefaultClock::default().now());
        self.0.check_key(&network).map_err(wait)
    }

    /// Forgets those who have all their attempts again.
    pub(crate) fn forget(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }
}

/// The network of a peer, which is what one party has to itself: an address of IPv4, or 64 bits of IPv6.
#[must_use]
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_network_has_six_hundred_attempts_and_then_waits() {
        let failures = Failures::new();
        let peers = ["2001:db8::1", "2001:db8::2"].map(|peer| peer.parse().unwrap());
        let counted = (0..700).map(|n| failures.count(peers[n % 2]));
        let refused: Vec<_> = counted.filter_map(Result::err).collect();
        // A slow machine gives some back in the meantime.
        assert!((50..=100).contains(&refused.len()), "{}", refused.len());
        assert!(refused.iter().all(|wait| *wait <= Duration::from_millis(100)), "{refused:?}");
        assert!(failures.count("2001:db8:0:1::1".parse().unwrap()).is_ok());
        assert!(failures.count("192.0.2.1".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_mapped_address_is_what_it_maps() {
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(network(mapped), IpAddr::from([192, 0, 2, 1]));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let failures = Failures::new();
        for n in 0..30_000 {
            // Beyond the bound they share one limit.
            let _ = failures.count(IpAddr::V4(Ipv4Addr::from_bits(n)));
        }
        assert!(failures.0.len() <= MOST + 1, "{}", failures.0.len());
        let started = Instant::now();
        while failures.0.len() > 1 {
            assert!(started.elapsed() < Duration::from_secs(60), "{}", failures.0.len());
            failures.forget();
        }
    }
}
