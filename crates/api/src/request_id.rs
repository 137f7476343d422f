//! The id under which a request stands in the log.

use poem::Request;
use uuid::Uuid;

/// The header that carries it, both ways.
pub(crate) const HEADER: &str = "x-request-id";

/// The caller's own id if it sent a usable one (up to 128 visible ASCII characters), else a new one.
pub(crate) fn of(request: &Request) -> String {
    request
        .header(HEADER)
        .filter(|id| {
            (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
        })
        .map_or_else(|| Uuid::new_v4().to_string(), ToOwned::to_owned)
}
