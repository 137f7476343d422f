//! The ids of records: UUIDv7 that sort as their timestamps do.

use chrono::{DateTime, Timelike, Utc};
use uuid::{Builder, Uuid};

/// One id for each of `n` rows that arrived at this instant, in rising order.
///
/// | bits | hold |
/// |---|---|
/// | 48 | the milliseconds of the timestamp |
/// | 12 | its microseconds within the millisecond, in 4096ths (RFC 9562, §6.2, method 3) |
/// | 62 | a random number, from which the rows of one request count upwards (method 2) |
///
/// The clock is not pushed forward as some generators do, so that an id never leaves its timestamp. Two requests of one
/// microsecond meet with a chance of about n / 2^61.
pub(crate) fn rising(arrived: DateTime<Utc>, n: usize) -> impl Iterator<Item = Uuid> {
    let milliseconds = u64::try_from(arrived.timestamp_millis()).unwrap_or(0);
    let microseconds = u64::from(arrived.nanosecond() / 1_000 % 1_000);
    let first = rand::random::<u64>() >> 3; // Leaves room to count.
    (first..).take(n).map(move |counter| id(milliseconds, microseconds, counter))
}

fn id(milliseconds: u64, microseconds: u64, counter: u64) -> Uuid {
    let fraction = microseconds * 4_096 / 1_000;
    let mut free = [0; 10];
    let (high, low) = free.split_at_mut(2);
    high.copy_from_slice(&fraction.to_be_bytes()[6..]);
    low.copy_from_slice(&counter.to_be_bytes());
    Builder::from_unix_timestamp_millis(milliseconds, &free).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn ids_are_version_7_rise_and_carry_the_milliseconds() {
        let arrived = time("2026-11-23T10:00:00.123999Z");
        let ids: Vec<_> = rising(arrived, 10_000).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.is_sorted_by(|a, b| a < b));
        for id in ids {
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            assert_eq!(id.as_u128() >> 80, u128::from(arrived.timestamp_millis().unsigned_abs()));
        }
    }

    #[test]
    fn a_later_microsecond_has_a_greater_id() {
        let last = |text| rising(time(text), 10_000).last().unwrap();
        let first = |text| rising(time(text), 1).next().unwrap();
        assert!(last("2026-11-23T10:00:00.123000Z") < first("2026-11-23T10:00:00.123001Z"));
        assert!(last("2026-11-23T10:00:00.123998Z") < first("2026-11-23T10:00:00.123999Z"));
        assert!(last("2026-11-23T10:00:00.123999Z") < first("2026-11-23T10:00:00.124000Z"));
    }

    #[test]
    fn two_requests_of_one_instant_differ() {
        let arrived = Utc::now();
        assert_ne!(rising(arrived, 1).next(), rising(arrived, 1).next());
    }
}
