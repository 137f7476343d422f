//! Sizes and times as people write them.

use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

/// A size: a number of bytes, or with a unit as in `500MB` or `16 GiB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let size: Result<ByteSize, _> = text.parse();
    size.map(|size| size.as_u64()).map_err(|_| "must be like 1000000, 500MB or 16GiB".to_owned())
}

/// A time in whole seconds up to a year, or with units as in `30s`, `12h` or `1day 6h`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    const YEAR: Duration = Duration::from_secs(31_536_000);
    let plain = text.parse().ok().map(Duration::from_secs);
    let time = plain.or_else(|| humantime::parse_duration(text).ok());
    time.filter(|time| *time <= YEAR && time.subsec_nanos() == 0).ok_or_else(|| {
        "must be whole seconds like 30, or like 30s, 12h or 1d; a year at most".to_owned()
    })
}

/// The same, of one second at least.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    time(text)?;
    time(text).ok().filter(|time| !time.is_zero()).ok_or_else(|| "must be 1 s at least".to_owned())
}

/// The same, up to an hour.
pub(super) fn up_to_an_hour(text: &str) -> Result<Duration, String> {
    const HOUR: Duration = Duration::from_secs(3_600);
    let time = time(text).ok().filter(|time| *time <= HOUR);
    time.ok_or_else(|| {
        "must be whole seconds like 30, or like 30s or 5min; an hour at most".to_owned()
    })
}

/// A whole number above zero.
pub(super) fn at_least_one<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "must be a whole number, 1 at least".to_owned())
}

/// A number of days from 1 to 36,500, with or without `d`.
pub(super) fn days(text: &str) -> Result<u16, String> {
    let number = text.trim().trim_end_matches("days").trim_end_matches('d').trim_end();
    match number.parse() {
        Ok(days @ 1..=36_500) => Ok(days),
        _ => Err("must be a number of days from 1 to 36500, like 30 or 30d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, size) in [
            ("0", 0),
            ("1000", 1_000),
            ("1GB", 1_000_000_000),
            ("1 GiB", 1 << 30),
            ("500mb", 500_000_000),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "GB", "-1", "1 XB", "one"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_with_and_without_units() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("1d", 86_400), ("2h 30m", 9_000), ("30s", 30)]
        {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "-1", "1.5s", "366d", "1 fortnight", "100ms"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert!(some_time("0").is_err() && some_time("1").is_ok());
        assert!(up_to_an_hour("61m").is_err() && up_to_an_hour("1h").is_ok());
    }

    #[test]
    fn days_are_read_with_and_without_the_unit() {
        for text in ["30", "30d", "30 days"] {
            assert_eq!(days(text), Ok(30), "{text}");
        }
        for text in ["", "0", "36501", "1w", "d"] {
            assert!(days(text).is_err(), "{text}");
        }
    }
}
