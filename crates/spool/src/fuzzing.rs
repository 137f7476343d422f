//! What the fuzz targets call: the format of an entry, without a spool around it.

use domain::Record;

/// The records in these bytes, if they are an entry.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Vec<Record>> {
    crate::format::decode(bytes).ok()
}

/// These records as an entry.
#[must_use]
pub fn encode(records: &[Record]) -> Option<Vec<u8>> {
    crate::format::encode(records)
}
