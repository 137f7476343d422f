use proptest::prelude::*;

use super::*;

prop_compose! {
    /// A record of any bits; which model versions are equal matters to the format.
    pub(crate) fn any_record()(
        id: u128,
        micros in -1_000_000_000_000_000_i64..4_000_000_000_000_000,
        row: [u64; N_FEATURES],
        class in 0..N_CLASSES,
        probabilities: [u64; N_CLASSES],
        version in "v?[0-9]?|\u{00e9}*",
        truth in proptest::option::of(0..N_CLASSES),
    ) -> Record {
        Record {
            id: Uuid::from_u128(id),
            timestamp: DateTime::from_timestamp_micros(micros).unwrap(),
            measurements: Measurements::from_row(row.map(f64::from_bits)),
            prediction: Prediction {
                class: Class::ALL[class],
                probabilities: probabilities.map(f64::from_bits),
            },
            model_version: version.into(),
            truth: truth.map(|index| Class::ALL[index]),
        }
    }
}

/// A record by its bits: NaN equals itself, and zero is not minus zero.
fn bits(record: &Record) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        record.id,
        record.timestamp,
        record.measurements.to_row().map(f64::to_bits),
        record.prediction.class,
        record.prediction.probabilities.map(f64::to_bits),
        record.model_version.to_string(),
        record.truth,
    )
}

fn all_bits(records: &[Record]) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    records.iter().map(bits).collect()
}

fn a_record() -> Record {
    Record {
        id: Uuid::from_u128(7),
        timestamp: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
        measurements: Measurements::from_row([0.5; N_FEATURES]),
        prediction: Prediction::from_probabilities([0.25; N_CLASSES]),
        model_version: "1.0.0+00000000".into(),
        truth: None,
    }
}

/// The bytes of [`a_record`] with a change, and the checksum that belongs to them.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = encode(&[a_record()]).unwrap();
    bytes.truncate(bytes.len() - CHECKSUM);
    change(&mut bytes);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded_bit_for_bit(
        records in proptest::collection::vec(any_record(), 1..20),
    ) {
        let decoded = decode(&encode(&records).unwrap()).unwrap();
        prop_assert_eq!(all_bits(&decoded), all_bits(&records));
    }

    #[test]
    fn one_flipped_bit_is_noticed(record in any_record(), at: prop::sample::Index, bit in 0..8_u32) {
        let mut bytes = encode(&[record]).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert_eq!(decode(&bytes), Err(Unreadable::Damaged));
    }

    #[test]
    fn what_lacks_its_end_is_noticed(record in any_record(), at: prop::sample::Index) {
        let bytes = encode(&[record]).unwrap();
        prop_assert_eq!(decode(&bytes[..at.index(bytes.len())]), Err(Unreadable::Damaged));
    }

    #[test]
    fn any_bytes_under_a_good_checksum_are_survived(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        begins_well: bool,
    ) {
        let bytes = changed(|bytes| {
            bytes.truncate(if begins_well { 9 } else { 0 });
            bytes.extend(body);
        });
        if let Ok(records) = decode(&bytes) {
            prop_assert_eq!(encode(&records).unwrap(), bytes);
        }
    }
}

/// Where the parts of [`a_record`] begin: the model version, its record, the class.
const MODEL: usize = 9 + 4;
const ROW: usize = MODEL + 14 + 4;
const CLASS: usize = ROW + 16 + 8 + 8 * N_FEATURES;

/// The format is on disks; other bytes are another version.
#[test]
fn the_format_does_not_change_unnoticed() {
    let bytes = encode(&[a_record()]).unwrap();
    assert_eq!(bytes.len(), ROW + RECORD + CHECKSUM);
    assert_eq!(bytes[..5], [1, N_FEATURES as u8, 0, N_CLASSES as u8, 0]);
    assert_eq!(bytes[MODEL - 4..ROW], *b"\x0e\x00\x00\x001.0.0+00000000\x01\x00\x00\x00");
    assert_eq!(bytes[ROW..ROW + 16], a_record().id.into_bytes());
    assert_eq!(bytes[ROW + 16..ROW + 24], 1_700_000_000_123_456_i64.to_le_bytes());
    assert_eq!(bytes[ROW + 24..ROW + 32], 0.5_f64.to_le_bytes());
    assert_eq!(bytes[CLASS..CLASS + 2], [0, 0]);
    assert_eq!(bytes[CLASS + 2..CLASS + 10], 0.25_f64.to_le_bytes());
    assert_eq!(bytes[ROW + RECORD - 2..ROW + RECORD], [0xff, 0xff]);
    // What every CRC-32 gives of a text that is followed by its own.
    assert_eq!(crc32fast::hash(&bytes), 0x2144_df1c);
}

#[test]
fn records_of_another_kind_are_told_apart() {
    let check = |change: fn(&mut Vec<u8>), reason| {
        assert_eq!(decode(&changed(change)), Err(reason));
    };
    let (features, classes) = (N_FEATURES as u16, N_CLASSES as u16);
    check(|bytes| bytes[0] = 2, Unreadable::OtherFormat(2));
    check(|bytes| bytes[1] += 1, Unreadable::OtherShape { features: features + 1, classes });
    check(|bytes| bytes[3] -= 1, Unreadable::OtherShape { features, classes: classes - 1 });
    check(|bytes| bytes[5] ^= 1, Unreadable::OtherProblem);
    // A class that there is not, a text that is none, a record too few, none at all.
    check(|bytes| bytes[CLASS] = N_CLASSES as u8, Unreadable::Senseless);
    check(|bytes| bytes[MODEL] = 0xff, Unreadable::Senseless);
    check(|bytes| bytes[ROW - 4] = 2, Unreadable::Senseless);
    check(|bytes| bytes.truncate(9), Unreadable::Senseless);
}
