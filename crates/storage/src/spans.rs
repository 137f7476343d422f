//! Which partitions there should be.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::listing::Listed;
use crate::partitions::{Span, midnight};
use crate::parts::{first_id_at, time_of};
use crate::upkeep::TooLong;

/// For how long partitions are there ahead of time.
const AHEAD: TimeDelta = TimeDelta::days(3);

/// The spans that are to be made, so that the time from now on is covered for long enough.
///
/// None is longer than the rules say: a pause or a clock that was wrong for a moment must leave nothing behind that takes a year
/// of records.
pub(crate) fn missing(existing: &[Listed], now: DateTime<Utc>, days: TimeDelta) -> Vec<Span> {
    let mut missing = Vec::new();
    let mut time = now;
    while time < now + AHEAD {
        let id = first_id_at(time);
        let next = match existing.iter().find(|it| it.from <= id && id < it.to) {
            Some(it) => time_of(it.to),
            None => {
                // From the end of the one before, if that is not long ago; until the next.
                let before = existing.iter().map(|it| it.to).filter(|to| *to <= id);
                let before =
                    before.filter_map(time_of).chain(missing.last().map(|it: &Span| it.to));
                let before = before.max();
                let after = existing.iter().map(|it| it.from).filter(|from| *from > id).min();
                let from = before.filter(|end| time - *end < days).unwrap_or(midnight(time));
                let end = from + days;
                let to = after.and_then(time_of).map_or(end, |after| after.min(end));
                missing.push(Span { from, to, is_first: before.is_none() });
                Some(to)
            }
        };
        match next {
            Some(next) => time = next,
            None => break,
        }
    }
    missing
}

/// The span that is to be made for this id, which is older than now, and which no partition takes though there is one of
/// older ids.
pub(crate) fn around(existing: &[Listed], id: Uuid, days: TimeDelta) -> Option<Span> {
    let time = time_of(id)?;
    let before = existing.iter().map(|it| it.to).filter(|to| *to <= id).max().and_then(time_of)?;
    let after = existing.iter().map(|it| it.from).filter(|from| *from > id).min();
    let from = before.max(midnight(time));
    let end = from.checked_add_signed(days)?;
    let to = after.and_then(time_of).map_or(end, |after| after.min(end));
    (from < to).then_some(Span { from, to, is_first: false })
}

/// The partitions that span much more time than the rules say.
pub(crate) fn too_long(existing: &[Listed], now: DateTime<Utc>, days: TimeDelta) -> Vec<TooLong> {
    let longest = days + AHEAD;
    let judged = existing.iter().filter_map(|it| {
        let to = time_of(it.to)?;
        let from = time_of(it.from).filter(|_| !it.from.is_nil());
        // The first takes all that is older, so only its end counts.
        let is_too_long = to - from.unwrap_or(now) > longest;
        is_too_long.then(|| TooLong { suffix: it.suffix.clone().unwrap_or_default(), from, to })
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn existing(from: Option<&str>, to: &str) -> Listed {
        let from = from.map_or(Uuid::nil(), |from| first_id_at(time(from)));
        Listed { suffix: None, is_default: false, from, to: first_id_at(time(to)), oid: 0 }
    }

    /// What is made at noon of the 25th, as days of November.
    fn made(existing: &[Listed], days: i64) -> Vec<(String, String, bool)> {
        let day = |time: DateTime<Utc>| {
            assert_eq!(midnight(time), time);
            time.format("%m-%d").to_string()
        };
        let missing = missing(existing, time("2026-11-25T12:00:00Z"), TimeDelta::days(days));
        missing.into_iter().map(|it| (day(it.from), day(it.to), it.is_first)).collect()
    }

    fn span(from: &str, to: &str, is_first: bool) -> (String, String, bool) {
        (from.to_owned(), to.to_owned(), is_first)
    }

    #[test]
    fn the_first_ones_cover_what_was_and_the_next_days() {
        assert_eq!(made(&[], 30), [span("11-25", "12-25", true)]);
        let daily = [
            span("11-25", "11-26", true),
            span("11-26", "11-27", false),
            span("11-27", "11-28", false),
            span("11-28", "11-29", false),
        ];
        assert_eq!(made(&[], 1), daily);
    }

    #[test]
    fn the_next_one_begins_where_the_last_one_ends() {
        let old = existing(None, "2026-11-28T00:00:00Z");
        assert_eq!(made(std::slice::from_ref(&old), 7), [span("11-28", "12-05", false)]);
        let next = existing(Some("2026-11-28T00:00:00Z"), "2026-12-28T00:00:00Z");
        assert_eq!(made(&[old, next], 7), []);
    }

    #[test]
    fn after_a_short_pause_one_takes_what_came_meanwhile() {
        let old = existing(None, "2026-11-20T00:00:00Z");
        let both = [span("11-20", "11-27", false), span("11-27", "12-04", false)];
        assert_eq!(made(&[old], 7), both);
    }

    #[test]
    fn after_a_long_pause_none_is_longer_than_it_should_be() {
        let old = existing(None, "2026-11-01T00:00:00Z");
        assert_eq!(made(std::slice::from_ref(&old), 7), [span("11-25", "12-02", false)]);
        // What came meanwhile is found where it is, and gets partitions of the usual length.
        let stray = first_id_at(time("2026-11-03T04:05:06Z"));
        let later = existing(Some("2026-11-09T00:00:00Z"), "2026-12-02T00:00:00Z");
        let found = around(&[old.clone(), later], stray, TimeDelta::days(7)).unwrap();
        assert_eq!(
            (found.from, found.to),
            (time("2026-11-03T00:00:00Z"), time("2026-11-09T00:00:00Z"))
        );
        let found = around(&[old], stray, TimeDelta::days(7)).unwrap();
        assert_eq!(found.to, time("2026-11-10T00:00:00Z"));
        assert_eq!(around(&[], Uuid::max(), TimeDelta::days(7)), None);
    }

    /// As when the clock of a machine jumps for a minute, and its PostgreSQL's with it.
    #[test]
    fn a_year_in_a_minute_leaves_no_long_partition() {
        let listed = |it: &Span| Listed {
            suffix: Some(it.suffix()),
            is_default: false,
            from: if it.is_first { Uuid::nil() } else { first_id_at(it.from) },
            to: first_id_at(it.to),
            oid: 0,
        };
        let now = time("2026-11-25T12:00:00Z");
        for days in [1, 7, 30].map(TimeDelta::days) {
            for jump in [400, -400, 4, 40].map(TimeDelta::days) {
                let mut all: Vec<Listed> = missing(&[], now, days).iter().map(listed).collect();
                all.extend(missing(&all, now + jump, days).iter().map(listed));
                for hour in 0..(100 * 24) {
                    let time = now + TimeDelta::hours(hour);
                    all.extend(missing(&all, time, days).iter().map(listed));
                    assert_eq!(too_long(&all, time, days), [], "{days} {jump}");
                    let id = first_id_at(time);
                    let takers = all.iter().filter(|it| it.from <= id && id < it.to).count();
                    assert_eq!(takers, 1, "{days} {jump} {time}");
                }
            }
        }
    }

    #[test]
    fn one_that_takes_a_year_is_reported() {
        let now = time("2026-11-25T12:00:00Z");
        let year = existing(Some("2026-11-29T00:00:00Z"), "2027-12-31T00:00:00Z");
        let month = existing(Some("2027-12-31T00:00:00Z"), "2028-01-31T00:00:00Z");
        let first = existing(None, "2026-11-29T00:00:00Z");
        let found = too_long(&[first, year.clone(), month], now, TimeDelta::days(30));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].from, time_of(year.from));
        // The first one has no beginning, but it may reach too far.
        let first = existing(None, "2027-12-31T00:00:00Z");
        assert_eq!(too_long(&[first], now, TimeDelta::days(30))[0].from, None);
    }

    #[test]
    fn a_hole_is_filled_and_no_more() {
        let old = existing(None, "2026-11-20T00:00:00Z");
        let later = existing(Some("2026-11-27T00:00:00Z"), "2026-12-20T00:00:00Z");
        assert_eq!(made(&[old, later], 30), [span("11-20", "11-27", false)]);
    }
}
