//! A page that is always the same: compressed once, and sent again only to those who do not have it yet.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use poem::Response;
use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::compression::{accepts_gzip, gzip, items};
use crate::headers::protect_page;

/// A page in both of its representations.
#[derive(Debug)]
pub(crate) struct Page {
    content_type: HeaderValue,
    policy: HeaderValue,
    plain: Representation,
    gzip: Representation,
}

/// The bytes that are sent, and their `ETag`.
#[derive(Debug)]
struct Representation {
    body: Bytes,
    etag: HeaderValue,
}

impl Page {
    /// The page of this text, which runs under this policy.
    pub(crate) fn new(
        content_type: &'static str,
        policy: HeaderValue,
        text: String,
    ) -> anyhow::Result<Self> {
        let gzip = Representation::of(gzip(text.as_bytes(), Compression::default())?)?;
        let plain = Representation::of(text.into_bytes())?;
        Ok(Self { content_type: HeaderValue::from_static(content_type), policy, plain, gzip })
    }

    /// The answer to a request with these headers: the representation that it accepts, or 304 if it has that already.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response {
        let is_gzip = accepts_gzip(request);
        let chosen = if is_gzip { &self.gzip } else { &self.plain };
        let mut response = Response::default();
        let headers = response.headers_mut();
        protect_page(headers, self.policy.clone());
        headers.insert(header::ETAG, chosen.etag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if has(request, &chosen.etag) {
            response.set_status(StatusCode::NOT_MODIFIED);
            return response;
        }
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        // Said here, so that HEAD is told it as well.
        headers.insert(header::CONTENT_LENGTH, chosen.body.len().into());
        if is_gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response.set_body(chosen.body.clone());
        response
    }
}

impl Representation {
    fn of(body: Vec<u8>) -> anyhow::Result<Self> {
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&body)[..18]);
        Ok(Self { body: body.into(), etag: HeaderValue::try_from(format!("\"{hash}\""))? })
    }
}

/// Whether `If-None-Match` names this tag, by the weak comparison, or any (RFC 9110, section 13.1.2).
fn has(request: &HeaderMap, etag: &HeaderValue) -> bool {
    items(request, &header::IF_NONE_MATCH).any(|given| {
        let given = given.strip_prefix("W/").unwrap_or(given);
        given == "*" || given.as_bytes() == etag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let value = |value| (header::IF_NONE_MATCH, HeaderValue::from_static(value));
        values.iter().copied().map(value).collect()
    }

    #[test]
    fn a_tag_is_known_by_the_weak_comparison() {
        let etag = HeaderValue::from_static("\"a\"");
        let known = |values: &[_]| has(&headers(values), &etag);
        for values in [&["\"a\""][..], &["W/\"a\""], &["\"b\", \"a\""], &["\"b\"", "\"a\""], &["*"]]
        {
            assert!(known(values), "{values:?}");
        }
        for values in [&[][..], &[""], &["a"], &["\"b\""], &["w/\"a\""], &["\"*\""]] {
            assert!(!known(values), "{values:?}");
        }
    }
}
