//! Saying in time that the certificate expires.

use chrono::{DateTime, TimeDelta, Utc};

use super::certificate::Validity;

/// How long before the end it is said at the earliest; sooner for one that is made for a few days.
const AHEAD: TimeDelta = TimeDelta::days(14);
/// Of how many parts of its time the last is when it should have been renewed: ACME clients do it in the third or before.
const PARTS: i32 = 4;
/// How often it is said.
const AGAIN: TimeDelta = TimeDelta::days(1);

/// What was said, and when.
#[derive(Debug, Default)]
pub(super) struct Expiry(Option<(Validity, DateTime<Utc>)>);

impl Expiry {
    /// What is to be said now: once a day while the end is near or past, and at once of another certificate.
    pub(super) fn notice(&mut self, validity: Validity, now: DateTime<Utc>) -> Option<String> {
        let Validity { from, to } = validity;
        let early = now < from;
        let near = now >= to - AHEAD.min((to - from) / PARTS);
        let said = self.0.is_some_and(|(of, at)| of == validity && now - at < AGAIN);
        if said || !early && !near {
            return None;
        }
        self.0 = Some((validity, now));
        Some(if early {
            format!("the certificate is not valid before {from}: until then clients refuse it")
        } else if now < to {
            format!("the certificate expires at {to}")
        } else {
            format!("the certificate expired at {to}: clients refuse it")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(days)
    }

    /// Those of these days on which something is said.
    fn said(validity: Validity, looks: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let mut expiry = Expiry::default();
        let mut on = |day: &i64| expiry.notice(validity, days(*day)).is_some();
        looks.into_iter().filter(|day| on(day)).collect()
    }

    #[test]
    fn it_is_said_when_the_renewal_is_late() {
        let quarter = Validity { from: days(0), to: days(90) };
        assert_eq!(said(quarter, [0, 60, 75, 76, 77, 89, 90, 1000]), [76, 77, 89, 90, 1000]);
        let week = Validity { from: days(0), to: days(8) };
        assert_eq!(said(week, 0..10), [6, 7, 8, 9]);
        assert_eq!(said(Validity { from: days(3), to: days(90) }, 0..5), [0, 1, 2]);
    }

    #[test]
    fn it_is_said_once_a_day_and_of_each_certificate() {
        let mut expiry = Expiry::default();
        let old = Validity { from: days(0), to: days(90) };
        let other = Validity { from: days(1), to: days(90) };
        let hour = TimeDelta::hours(1);
        assert!(expiry.notice(old, days(85)).unwrap().contains("expires at 1970-04-01"));
        assert_eq!(expiry.notice(old, days(85) + hour), None);
        assert!(expiry.notice(other, days(85) + hour).is_some());
        assert_eq!(expiry.notice(other, days(86)), None);
        assert!(expiry.notice(other, days(86) + hour).is_some());
        assert!(expiry.notice(old, days(91)).unwrap().contains("expired at"));
        let renewed = Validity { from: days(90), to: days(180) };
        assert_eq!(expiry.notice(renewed, days(91)), None);
    }
}
