//! Whatever is on the disk, reading an entry of the spool does not panic, and what is read is written alike.

#![no_main]

use domain::Record;
use libfuzzer_sys::fuzz_target;
use spool::fuzzing::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // No made-up bytes bear their own checksum.
    check(&[bytes, &crc32fast::hash(bytes).to_le_bytes()].concat());
});

fn check(bytes: &[u8]) {
    let Some(records) = decode(bytes) else { return };
    assert!(!records.is_empty());
    let written = encode(&records).expect("what was counted once can be counted again");
    let again = decode(&written).expect("what was written is read");
    assert!(again.iter().map(bits).eq(records.iter().map(bits)));
}

/// A record by its bits: NaN equals itself, and zero is not minus zero.
fn bits(record: &Record) -> impl PartialEq + use<> {
    let row = record.measurements.to_row().map(f64::to_bits);
    let probabilities = record.prediction.probabilities.map(f64::to_bits);
    let Record { id, timestamp, prediction, model_version, truth, .. } = record;
    (*id, *timestamp, row, prediction.class, probabilities, model_version.clone(), *truth)
}
