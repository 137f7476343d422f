//! How the records of one request are written: versioned, bit for bit, under a checksum.
//!
//! All numbers are little-endian. An entry is
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of this format |
//! | 2, 2, 4 | how many features and classes, and [`PROBLEM`]: which ones |
//! | … | one or more runs of records of the same model version |
//! | 4 | CRC-32 (IEEE) of everything before; at the end in every version |
//!
//! and a run is: 4 bytes length of the model version, the version in UTF-8, 4 bytes number of records, and for each
//! record 16 bytes id, 8 microseconds since 1970, 8 for every feature, 2 class, 8 for every probability, 2 truth.

use std::sync::Arc;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use domain::{Class, FEATURES, Measurements, N_CLASSES, N_FEATURES, Prediction, Record};
use uuid::Uuid;

const VERSION: u8 = 1;
/// The number of no class: no truth yet.
const NO_CLASS: u16 = u16::MAX;
/// The size of the checksum.
const CHECKSUM: usize = 4;
/// A record's bytes, without its model version.
const RECORD: usize = 16 + 8 + 8 * N_FEATURES + 2 + 8 * N_CLASSES + 2;

const _: () = assert!(N_CLASSES < NO_CLASS as usize && N_FEATURES <= u16::MAX as usize);

/// Tells apart problems that have the same number of features and classes: a checksum of all their names.
static PROBLEM: LazyLock<u32> = LazyLock::new(|| {
    let features = FEATURES.iter().map(|feature| feature.name);
    let names: Vec<_> = features.chain(Class::ALL.iter().map(|class| class.name())).collect();
    crc32fast::hash(names.join("\n").as_bytes())
});

/// Why bytes are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("damaged: the checksum does not fit")]
    Damaged,
    #[error("written in format {0}, and this program reads format {VERSION}")]
    OtherFormat(u8),
    #[error(
        "of another shape: {features} features and {classes} classes, and this program has {N_FEATURES} and {N_CLASSES}"
    )]
    OtherShape { features: u16, classes: u16 },
    #[error("of another problem: its features and classes have other names")]
    OtherProblem,
    #[error("intact, but not what format {VERSION} says")]
    Senseless,
}

/// These records as bytes; nothing if there are more than the format can count.
pub(crate) fn encode(records: &[Record]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(64 + RECORD * records.len());
    bytes.push(VERSION);
    bytes.extend(u16::try_from(N_FEATURES).ok()?.to_le_bytes());
    bytes.extend(u16::try_from(N_CLASSES).ok()?.to_le_bytes());
    bytes.extend(PROBLEM.to_le_bytes());
    for run in records.chunk_by(|one, next| one.model_version == next.model_version) {
        let version = run[0].model_version.as_bytes();
        bytes.extend(u32::try_from(version.len()).ok()?.to_le_bytes());
        bytes.extend(version);
        bytes.extend(u32::try_from(run.len()).ok()?.to_le_bytes());
        for record in run {
            bytes.extend(record.id.as_bytes());
            bytes.extend(record.timestamp.timestamp_micros().to_le_bytes());
            for value in record.measurements.to_row() {
                bytes.extend(value.to_bits().to_le_bytes());
            }
            bytes.extend(u16::try_from(record.prediction.class.index()).ok()?.to_le_bytes());
            for value in record.prediction.probabilities {
                bytes.extend(value.to_bits().to_le_bytes());
            }
            let truth = match record.truth {
                Some(class) => u16::try_from(class.index()).ok()?,
                None => NO_CLASS,
            };
            bytes.extend(truth.to_le_bytes());
        }
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    Some(bytes)
}

/// The records that [`encode`] made these bytes of.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Record>, Unreadable> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Unreadable::Damaged)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err(Unreadable::Damaged);
    }
    let mut fields = Fields(body);
    let [version] = fields.take().ok_or(Unreadable::Senseless)?;
    if version != VERSION {
        return Err(Unreadable::OtherFormat(version));
    }
    let (features, classes) = fields.u16().zip(fields.u16()).ok_or(Unreadable::Senseless)?;
    if (usize::from(features), usize::from(classes)) != (N_FEATURES, N_CLASSES) {
        return Err(Unreadable::OtherShape { features, classes });
    }
    if fields.u32().ok_or(Unreadable::Senseless)? != *PROBLEM {
        return Err(Unreadable::OtherProblem);
    }
    let mut records = Vec::with_capacity(body.len() / RECORD);
    while !fields.0.is_empty() {
        fields.run(&mut records).ok_or(Unreadable::Senseless)?;
    }
    if records.is_empty() { Err(Unreadable::Senseless) } else { Ok(records) }
}

/// The fields that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn slice(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn values<const N: usize>(&mut self) -> Option<[f64; N]> {
        let mut values = [0.0; N];
        for value in &mut values {
            *value = f64::from_bits(self.take().map(u64::from_le_bytes)?);
        }
        Some(values)
    }

    fn run(&mut self, records: &mut Vec<Record>) -> Option<()> {
        let length = self.u32()?;
        let model_version: Arc<str> = str::from_utf8(self.slice(length)?).ok()?.into();
        for _ in 0..self.u32()? {
            records.push(self.record(&model_version)?);
        }
        Some(())
    }

    fn record(&mut self, model_version: &Arc<str>) -> Option<Record> {
        let id = Uuid::from_bytes(self.take()?);
        let timestamp: DateTime<Utc> =
            DateTime::from_timestamp_micros(self.take().map(i64::from_le_bytes)?)?;
        let measurements = Measurements::from_row(self.values()?);
        let class = Class::from_number(self.u16()?.into())?;
        let probabilities = self.values()?;
        let truth = match self.u16()? {
            NO_CLASS => None,
            number => Some(Class::from_number(number.into())?),
        };
        Some(Record {
            id,
            timestamp,
            measurements,
            prediction: Prediction { class, probabilities },
            model_version: Arc::clone(model_version),
            truth,
        })
    }
}

#[cfg(test)]
mod tests;
