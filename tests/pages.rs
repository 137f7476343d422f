//! The pages that are always the same: compressed for those who can take it, and sent once.

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};

use crate::support::{Service, TestDatabase};

const PAGES: [(&str, &str); 3] = [
    ("/docs", "text/html; charset=utf-8"),
    ("/openapi.json", "application/json"),
    ("/openapi.yaml", "application/yaml"),
];

async fn ask(
    service: &Service,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let request = service.client.request(method, service.url(path));
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response: Response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, response.bytes().await.unwrap().to_vec())
}

fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(body).read_to_end(&mut text).unwrap();
    text
}

#[tokio::test]
async fn who_accepts_gzip_is_sent_it_and_nobody_else() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for (path, media_type) in PAGES {
        let (_, plain_headers, plain) = ask(&service, Method::GET, path, &[]).await;
        assert!(!plain_headers.contains_key("content-encoding"), "{path}");
        for (accepted, is_gzip) in [
            ("gzip, deflate, br, zstd", true),
            ("*", true),
            ("gzip;q=0.1", true),
            ("gzip;q=0", false),
            ("*;q=0", false),
            ("br", false),
            ("", false),
        ] {
            let case = format!("{path} {accepted}");
            let asked = [("accept-encoding", accepted)];
            let (status, headers, body) = ask(&service, Method::GET, path, &asked).await;
            assert_eq!(status, 200, "{case}");
            assert_eq!(headers["content-type"], media_type, "{case}");
            assert_eq!(headers["vary"], "accept-encoding", "{case}");
            assert_eq!(headers["cache-control"], "no-cache", "{case}");
            assert_eq!(headers["content-length"], body.len().to_string(), "{case}");
            assert_eq!(headers.contains_key("content-encoding"), is_gzip, "{case}");
            assert_eq!(headers["etag"] != plain_headers["etag"], is_gzip, "{case}");
            if is_gzip {
                assert_eq!(headers["content-encoding"], "gzip", "{case}");
                assert!(body.len() < plain.len() / 3, "{case}: {} of {}", body.len(), plain.len());
                assert!(unpacked(&body) == plain, "{case}");
            } else {
                assert!(body == plain, "{case}");
            }
            let (status, head, body) = ask(&service, Method::HEAD, path, &asked).await;
            assert_eq!((status.as_u16(), body.len()), (200, 0), "{case}");
            for name in ["content-type", "content-length", "content-encoding", "etag", "vary"] {
                assert_eq!(head.get(name), headers.get(name), "{case}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn who_has_a_page_is_not_sent_it_again() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for (path, _) in PAGES {
        let gzip = ("accept-encoding", "gzip");
        let plain = ask(&service, Method::GET, path, &[]).await.1["etag"].clone();
        let packed = ask(&service, Method::GET, path, &[gzip]).await.1["etag"].clone();
        let (plain, packed) = (plain.to_str().unwrap(), packed.to_str().unwrap());
        assert!(plain.starts_with('"') && packed.starts_with('"'), "strong: {plain} {packed}");
        let weak = format!("W/{plain}");
        let list = format!("\"another\", {plain}");
        for (encoding, tag, status) in [
            ("identity", plain, 304),
            ("identity", &weak, 304),
            ("identity", &list, 304),
            ("identity", "*", 304),
            ("gzip", packed, 304),
            ("gzip", "*", 304),
            ("identity", packed, 200),
            ("gzip", plain, 200),
            ("identity", "\"another\"", 200),
            ("identity", plain.trim_matches('"'), 200),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let case = format!("{method} {path} {encoding} {tag}");
                let asked = [("accept-encoding", encoding), ("if-none-match", tag)];
                let (found, headers, body) = ask(&service, method.clone(), path, &asked).await;
                assert_eq!(found, status, "{case}");
                assert_eq!(body.is_empty(), status == 304 || method == Method::HEAD, "{case}");
                let expected = if encoding == "gzip" { packed } else { plain };
                assert_eq!(headers["etag"], expected, "{case}");
                assert_eq!(headers["vary"], "accept-encoding", "{case}");
                assert_eq!(headers["cache-control"], "no-cache", "{case}");
                assert!(headers.contains_key("content-security-policy"), "{case}");
            }
        }
    }
}
