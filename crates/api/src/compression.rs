//! Answers compressed by gzip, for those who accept it.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use poem::http::{HeaderMap, HeaderValue, header};
use poem::{Body, Response};
use tokio::task::spawn_blocking;

/// From how many bytes on an answer is compressed: a prediction is shorter, and a packet holds hardly less.
const WORTHWHILE: usize = 4 << 10;

/// From how many bytes on that is done beside the threads that serve, which it would hold up for a millisecond and more.
const LONG: usize = 64 << 10;

/// Compresses an answer that is long enough, and not compressed already.
pub(crate) async fn compress(response: &mut Response) {
    let headers = response.headers();
    if headers.contains_key(header::CONTENT_ENCODING) || headers.contains_key(header::ETAG) {
        return;
    }
    // Every answer of the service is in memory as a whole.
    let Ok(plain) = response.take_body().into_bytes().await else { return };
    let body = if plain.len() < WORTHWHILE { None } else { compressed(plain.clone()).await };
    let Some(body) = body else {
        response.set_body(plain);
        return;
    };
    response.set_body(Body::from_vec(body));
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
}

async fn compressed(plain: Bytes) -> Option<Vec<u8>> {
    if plain.len() < LONG {
        return gzip(&plain, Compression::fast()).ok();
    }
    spawn_blocking(move || gzip(&plain, Compression::fast())).await.ok()?.ok()
}

/// The text as gzip writes it.
pub(crate) fn gzip(plain: &[u8], level: Compression) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain)?;
    encoder.finish()
}

/// Whether a list of `Accept-Encoding` allows gzip (RFC 9110, section 12.5.3). Without one it is not sent, although it might
/// be: programs that ask for nothing take apart nothing.
pub(crate) fn accepts_gzip(request: &HeaderMap) -> bool {
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

/// The items of all the lists in the headers of this name.
pub(crate) fn items<'r>(
    request: &'r HeaderMap,
    name: &'r header::HeaderName,
) -> impl Iterator<Item = &'r str> + 'r {
    let lists = request.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let value = |value| (header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        values.iter().copied().map(value).collect()
    }

    #[test]
    fn gzip_is_for_those_who_accept_it() {
        let accepts = |values: &[_]| accepts_gzip(&headers(values));
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
}
