//! The id under which a request stands in the log.

use poem::Request;
use poem::http::{HeaderName, HeaderValue};
use uuid::Builder;

/// The header that carries it, both ways.
pub(crate) static HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The caller's own id if it sent a usable one (up to 128 visible ASCII characters), else a new one.
pub(crate) fn of(request: &Request) -> HeaderValue {
    let theirs = request.headers().get(&HEADER).filter(|id| {
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    theirs.cloned().unwrap_or_else(new)
}

/// A random UUID, by the thread's own generator: the system's would be asked once per request.
fn new() -> HeaderValue {
    let mut text = uuid::Uuid::encode_buffer();
    let text =
        Builder::from_random_bytes(rand::random()).into_uuid().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
}
