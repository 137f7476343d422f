//! Whatever a query of the record says, it is refused or looked up, and what it means can be said again.

#![no_main]

use std::sync::LazyLock;

use api::fuzzing::{Away, id, time};
use chrono::{DateTime, SubsecRound};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;

static SERVICE: LazyLock<Away> = LazyLock::new(|| Away::start().expect("it starts"));

fuzz_target!(|query: &str| -> Corpus {
    let Ok((status, body)) = SERVICE.get(&format!("/predictions?{query}")) else {
        return Corpus::Reject;
    };
    // A fragment ends the query, and is no part of a request.
    let query = query.split('#').next().unwrap_or_default();
    let given: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let once = |name: &str| given.iter().filter(|(key, _)| key == name).count() == 1;
    let fits = given.iter().all(|(name, value)| {
        once(name)
            && match &**name {
                "cursor" => check_id(value),
                "from" | "to" => check_time(value),
                "limit" => value.parse().is_ok_and(|limit: u16| (1..=1000).contains(&limit)),
                // The rest are judged by the service alone.
                "model_version" | "min_confidence" | "max_confidence" | domain::CLASS_FIELD => true,
                _ => false,
            }
    });
    let time_of = |name: &str| {
        let value = given.iter().find(|(key, _)| key == name).map(|(_, value)| value)?;
        Some(DateTime::parse_from_rfc3339(value).ok()?.to_utc().trunc_subsecs(6))
    };
    let is_in_order = time_of("from").zip(time_of("to")).is_none_or(|(from, to)| from <= to);
    let fits = fits && is_in_order;
    let judged =
        given.iter().all(|(name, _)| matches!(&**name, "cursor" | "from" | "to" | "limit"));
    match status {
        // There is no database: the query was understood, and something was looked up.
        503 => assert!(fits, "accepted"),
        422 => assert!(!(fits && judged), "refused"),
        _ => panic!("{status}"),
    }
    check_problem(status, &body);
    Corpus::Keep
});

/// Whether the text is an id; the service writes it in the same form, in lower case.
fn check_id(text: &str) -> bool {
    let Some(written) = id(text) else { return false };
    assert_eq!(written, text.to_ascii_lowercase());
    assert_eq!(id(&written), Some(written));
    true
}

/// Whether the text is a time; the service writes the same one, to the microsecond.
fn check_time(text: &str) -> bool {
    let Some(written) = time(text) else { return false };
    let meant = DateTime::parse_from_rfc3339(text).expect("it was read").to_utc();
    // Only a time zone leads out of the years of four digits, which is all that can be written.
    if let Ok(again) = DateTime::parse_from_rfc3339(&written) {
        assert_eq!(again, meant.trunc_subsecs(6), "{text} {written}");
        assert_eq!(time(&written), Some(written));
    } else {
        assert!(written.starts_with(['+', '-']), "{text} {written}");
    }
    true
}

/// A problem says where, and does not say again what was sent.
fn check_problem(status: u16, body: &[u8]) {
    let problem: Value = serde_json::from_slice(body).expect("a problem is JSON");
    assert_eq!(problem["status"], status);
    let errors = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(status == 422, !errors.is_empty());
    assert!(errors.len() <= 100);
    for error in errors {
        for text in [&error["pointer"], &error["message"]] {
            let length = text.as_str().expect("a text").chars().count();
            assert!((1..=256).contains(&length), "{error}");
        }
    }
}
