//! The time of this machine.

use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// The time now. Unlike `Utc::now()` it does not panic when the clock is before 1970, which would end a background task.
pub(crate) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
