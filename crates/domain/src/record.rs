//! A prediction as it stands in the database.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Class, Measurements, Prediction};

/// One predicted row, on the record: input, output, and how they came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// A UUIDv7, unique per row and shared by input and prediction; its milliseconds are those of `timestamp`.
    pub id: Uuid,
    /// When the request arrived, in whole microseconds, UTC.
    pub timestamp: DateTime<Utc>,
    /// The input, bit for bit as it was sent.
    pub measurements: Measurements,
    /// The answer that was given.
    pub prediction: Prediction,
    /// The model that gave it: `<version>+<first 8 hex digits of the file's SHA-256>`.
    pub model_version: Arc<str>,
    /// The class that turned out to be right; `None` while nobody has said.
    pub truth: Option<Class>,
}
