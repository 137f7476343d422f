//! Whatever a body holds, it is refused as what it is, or read as JSON means it.

#![no_main]

use api::fuzzing::{Answer, batch, row};
use domain::{FEATURES, Measurements};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Value;

/// How deep arrays and objects may be nested.
const DEEPEST: usize = 128;

fuzz_target!(|body: &[u8]| {
    // The meaning by another reader, as far as its own stack allows.
    let nested = body.iter().filter(|byte| b"[{".contains(byte)).count();
    let meaning = (nested < 1_000).then(|| meaning(body));

    let one = row(body);
    check_refusal(&one, meaning.as_ref());
    if let (Ok(row), Some(Some(meaning))) = (&one, &meaning) {
        check_row(row, meaning);
    }
    let many = batch(body);
    check_refusal(&many, meaning.as_ref());
    if let (Ok(rows), Some(Some(meaning))) = (&many, &meaning) {
        let meanings = meaning["instances"].as_array().expect("an array");
        assert!((1..=10_000).contains(&rows.len()));
        assert_eq!(rows.len(), meanings.len());
        rows.iter().zip(meanings).for_each(|(row, meaning)| check_row(row, meaning));
    }
});

/// What the body means; nothing if it is no JSON, or nested too deep.
fn meaning(body: &[u8]) -> Option<Value> {
    let mut input = serde_json::Deserializer::from_slice(body);
    input.disable_recursion_limit();
    let value = Value::deserialize(&mut input).ok()?;
    input.end().ok()?;
    (depth(&value) <= DEEPEST).then_some(value)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The row has every number of the object, bit for bit, within its bounds.
fn check_row(row: &Measurements, meaning: &Value) {
    assert_eq!(meaning.as_object().map(|entries| entries.len()), Some(FEATURES.len()));
    for (feature, value) in FEATURES.iter().zip(row.to_row()) {
        assert!(value.is_finite() && feature.admits(value));
        let meant = meaning[feature.name].as_f64().expect("a number");
        assert_eq!(value.to_bits(), meant.to_bits());
    }
}

/// What is no JSON is a 400 and what does not fit is a 422, which says where, and repeats little of what was sent.
fn check_refusal<T>(read: &Result<T, Answer>, meaning: Option<&Option<Value>>) {
    let status = read.as_ref().map_or_else(|(status, _)| *status, |_| 200);
    if let Some(meaning) = meaning {
        assert_eq!(status == 400, meaning.is_none(), "{status}");
    }
    let Err((_, answer)) = read else { return };
    let problem: Value = serde_json::from_slice(answer).expect("a problem is JSON");
    assert_eq!(problem["status"], status);
    let short = |text: &Value, least| {
        let length = text.as_str().expect("a text").chars().count();
        assert!((least..=256).contains(&length), "{text}");
    };
    short(&problem["detail"], 1);
    match (status, &problem["errors"]) {
        (400, Value::Null) => {}
        (422, Value::Array(errors)) => {
            assert!((1..=100).contains(&errors.len()));
            for error in errors {
                short(&error["pointer"], 0);
                short(&error["message"], 1);
            }
        }
        _ => panic!("{problem}"),
    }
}
