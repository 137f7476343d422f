//! A page that is always the same: compressed once, and sent again only to those who do not have it yet.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use poem::Response;
use poem::http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

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
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes())?;
        let gzip = Representation::of(encoder.finish()?)?;
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

/// Whether a list of `Accept-Encoding` allows gzip (RFC 9110, section 12.5.3). Without one it is not sent, although it might
/// be: programs that ask for nothing take apart nothing.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let (mut named, mut any) = (None, None);
    for coding in items(request, &header::ACCEPT_ENCODING) {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=');
        // A weight of zero is written in digits and a point alone.
        let is_allowed =
            weight.is_empty() || weight.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                named = Some(is_allowed);
            }
            "*" => any = Some(is_allowed),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

/// Whether `If-None-Match` names this tag, by the weak comparison, or any (RFC 9110, section 13.1.2).
fn has(request: &HeaderMap, etag: &HeaderValue) -> bool {
    items(request, &header::IF_NONE_MATCH).any(|given| {
        let given = given.strip_prefix("W/").unwrap_or(given);
        given == "*" || given.as_bytes() == etag.as_bytes()
    })
}

/// The items of all the lists in the headers of this name.
fn items<'r>(
    request: &'r HeaderMap,
    name: &'r header::HeaderName,
) -> impl Iterator<Item = &'r str> + 'r {
    let lists = request.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &header::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn gzip_is_for_those_who_accept_it() {
        let accepts = |values: &[_]| accepts_gzip(&headers(&header::ACCEPT_ENCODING, values));
        for value in [
            "gzip",
            "GZIP",
            "x-gzip",
            "br, gzip",
            "gzip;q=0.5",
            "gzip ; q=1.000",
            "gzip; Q=0.001",
            "identity, *",
            "*;q=0.1",
            "*;q=0, gzip",
        ] {
            assert!(accepts(&[value]), "{value}");
        }
        for value in
            ["", "br", "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *", "gzipx"]
        {
            assert!(!accepts(&[value]), "{value}");
        }
        assert!(accepts(&["br", "gzip"]));
        assert!(!accepts(&[]));
    }

    #[test]
    fn a_tag_is_known_by_the_weak_comparison() {
        let etag = HeaderValue::from_static("\"a\"");
        let known = |values: &[_]| has(&headers(&header::IF_NONE_MATCH, values), &etag);
        for values in [&["\"a\""][..], &["W/\"a\""], &["\"b\", \"a\""], &["\"b\"", "\"a\""], &["*"]]
        {
            assert!(known(values), "{values:?}");
        }
        for values in [&[][..], &[""], &["a"], &["\"b\""], &["w/\"a\""], &["\"*\""]] {
            assert!(!known(values), "{values:?}");
        }
    }
}
