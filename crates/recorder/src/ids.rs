//! The ids of records: UUIDv7 whose milliseconds are those of the record's timestamp.

use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};

/// One id for each of `n` rows that arrived at this instant, in rising order.
///
/// RFC 9562, §6.2, method 2: the rows of one request count upwards from a random number. The service's clock is not
/// pushed forward as some generators do, so that the milliseconds stay those of the timestamp. Two requests of one
/// millisecond meet with a chance of about n / 2^73.
pub(crate) fn rising(arrived: DateTime<Utc>, n: usize) -> impl Iterator<Item = Uuid> {
    let milliseconds = u64::try_from(arrived.timestamp_millis()).unwrap_or(0);
    let first = rand::random::<u128>() >> (128 - 73);
    (first..).take(n).map(move |counter| id(milliseconds, counter))
}

/// The UUIDv7 of these milliseconds whose 74 free bits are those of `counter`.
fn id(milliseconds: u64, counter: u128) -> Uuid {
    // The free bits stand on both sides of the two variant bits: 12 before, 62 after.
    let high = (counter >> 62) & 0xfff;
    let low = counter & ((1 << 62) - 1);
    let mut free = [0; 10];
    free.copy_from_slice(&((high << 64) | low).to_be_bytes()[6..]);
    Builder::from_unix_timestamp_millis(milliseconds, &free).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_rise_and_carry_the_milliseconds() {
        let arrived: DateTime<Utc> = "2026-11-23T10:00:00.123999Z".parse().unwrap();
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
    fn counting_carries_over_the_variant_bits() {
        let before = id(1, (1 << 62) - 1);
        let after = id(1, 1 << 62);
        assert!(before < after);
        assert_eq!(before.as_u128() & ((1 << 62) - 1), (1 << 62) - 1);
        assert_eq!(after.as_u128() & ((1 << 62) - 1), 0);
    }

    #[test]
    fn two_requests_of_one_instant_differ() {
        let arrived = Utc::now();
        assert_ne!(rising(arrived, 1).next(), rising(arrived, 1).next());
    }
}
