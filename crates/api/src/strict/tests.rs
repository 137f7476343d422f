use domain::{FEATURES, Measurements, N_FEATURES};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::parse;
use crate::schema;

/// White space between two tokens.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,4}"]
}

/// The exponent of a literal, in any of its notations.
fn exponent(exponent: i32) -> impl Strategy<Value = String> {
    let sign = if exponent < 0 { "-" } else { "+" };
    let digits = exponent.unsigned_abs();
    let mut notations =
        vec![format!("e{sign}{digits}"), format!("E{sign}{digits}"), format!("e{sign}{digits:05}")];
    if exponent >= 0 {
        notations.push(format!("e{digits}"));
    }
    select(notations)
}

/// A number below 100, in any notation that JSON has.
fn literal() -> impl Strategy<Value = String> {
    let shortest = (0.0..=100.0_f64).prop_map(|value| value.to_string());
    let scientific = (any::<u64>(), any::<bool>()).prop_map(|(bits, upper)| {
        // Any magnitude down to the smallest subnormal numbers.
        let value = f64::from_bits(bits % 100.0_f64.to_bits());
        if upper { format!("{value:E}") } else { format!("{value:e}") }
    });
    let plain = "[1-9]?[0-9]\\.[0-9]{1,400}".boxed();
    let shifted = "[0-9]\\.[0-9]{1,60}".prop_flat_map(|digits| {
        (-400..=1).prop_flat_map(exponent).prop_map(move |e| digits.clone() + &e)
    });
    let long = "[1-9][0-9]{2,60}".prop_flat_map(|digits| {
        let least = 2 - i32::try_from(digits.len()).unwrap_or_default();
        exponent(least).prop_map(move |e| digits.clone() + &e)
    });
    let zeros = select(vec!["0", "-0", "-0.0", "0e9999", "-0E-9999", "0.00e+1", "100", "1e2"]);
    prop_oneof![shortest, scientific, plain, shifted, long, zeros.prop_map(ToOwned::to_owned)]
}

/// A key, some of its characters escaped.
fn key(name: &'static str) -> impl Strategy<Value = String> {
    subsequence((0..name.len()).collect::<Vec<_>>(), 0..3).prop_map(move |escaped| {
        let escape = |(place, character): (usize, char)| match escaped.contains(&place) {
            true => format!("\\u{:04x}", u32::from(character)),
            false => character.to_string(),
        };
        let key: String = name.chars().enumerate().map(escape).collect();
        format!("\"{key}\"")
    })
}

/// A valid row in any notation, and its literals.
fn row() -> impl Strategy<Value = (String, [String; N_FEATURES])> {
    let entries = FEATURES.map(|feature| {
        let admitted = move |text: &String| text.parse().is_ok_and(|value| feature.admits(value));
        (key(feature.name), literal().prop_filter("admitted", admitted))
    });
    (
        entries,
        Just((0..N_FEATURES).collect::<Vec<_>>()).prop_shuffle(),
        vec(space(), 4 * N_FEATURES + 1),
    )
        .prop_map(|(entries, order, spaces)| {
            let mut spaces = spaces.iter().cycle();
            let mut space = || spaces.next().map_or("", String::as_str).to_owned();
            let written: Vec<_> = order
                .into_iter()
                .map(|field| {
                    let (key, literal) = &entries[field];
                    [&space(), key.as_str(), &space(), ":", &space(), literal, &space()].concat()
                })
                .collect();
            (format!("{{{}}}", written.join(",")), entries.map(|(_key, literal)| literal))
        })
}

/// The bits of the float64 nearest to each literal: Rust's own parser is correctly rounded.
fn bits(literals: &[String; N_FEATURES]) -> [u64; N_FEATURES] {
    literals.each_ref().map(|literal| literal.parse::<f64>().unwrap().to_bits())
}

fn bits_of(row: &Measurements) -> [u64; N_FEATURES] {
    row.to_row().map(f64::to_bits)
}

proptest! {
    #[test]
    fn a_valid_row_is_read_bit_for_bit_however_it_is_written((text, literals) in row()) {
        let read = parse::<schema::Measurements>(text.as_bytes());
        prop_assert!(read.is_ok(), "{}: {:?}", text, read);
        prop_assert_eq!(bits_of(&read.unwrap()), bits(&literals), "{}", text);
    }

    #[test]
    fn a_valid_batch_is_read_bit_for_bit_however_it_is_written(
        rows in vec(row(), 1..6),
        spaces in vec(space(), 5),
        key in key("instances"),
    ) {
        let texts: Vec<_> = rows.iter().map(|(text, _)| format!("{}{text}{}", spaces[0], spaces[1])).collect();
        let text = format!("{}{{{key}:{}[{}]{}}}{}", spaces[0], spaces[2], texts.join(","), spaces[3], spaces[4]);
        let read = parse::<schema::Batch>(text.as_bytes());
        prop_assert!(read.is_ok(), "{}: {:?}", text, read);
        let expected: Vec<_> = rows.iter().map(|(_, literals)| bits(literals)).collect();
        prop_assert_eq!(read.unwrap().iter().map(bits_of).collect::<Vec<_>>(), expected, "{}", text);
    }

    #[test]
    fn a_body_that_lacks_its_end_is_malformed((text, _) in row(), at: prop::sample::Index) {
        let cut = &text.as_bytes()[..at.index(text.len())];
        let refused = parse::<schema::Measurements>(cut).map(|_| ()).unwrap_err();
        prop_assert_eq!(refused.status(), 400);
    }
}
