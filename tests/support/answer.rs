//! One answer of the service, and what every refusal has in common.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Service;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Reads it to its end.
    pub(crate) async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    /// The answer to these very bytes, which must ask for `Connection: close`.
    pub(crate) async fn to_bytes(service: &Service, request: Vec<u8>) -> Self {
        let (mut reader, mut writer) =
            TcpStream::connect(service.socket()).await.unwrap().into_split();
        let writing = tokio::spawn(async move {
            // The service may answer and close before it has read everything.
            let _ = writer.write_all(&request).await;
            writer
        });
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await.unwrap();
        drop(writing.await.unwrap());
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| {
            (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
        });
        Self { status, headers: headers.collect(), body: body.to_owned() }
    }

    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem that it must be, with everything that RFC 9457 and the service promise of one.
    #[track_caller]
    pub(crate) fn problem(&self, case: &str, status: u16) -> Value {
        assert_eq!(self.status, status, "{case}: {}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json", "{case}");
        assert!(!self.header("x-request-id").is_empty(), "{case}");

        let problem: Value = serde_json::from_str(&self.body).unwrap();
        let mut expected = vec!["type", "title", "status", "detail", "code"];
        expected.extend(match status {
            422 if problem["code"] == "invalid_input" => Some("errors"),
            503 => Some("recorded"),
            _ => None,
        });
        let members: Vec<_> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, expected, "{case}");
        if status == 503 {
            let may_exist = problem["code"] == "record_in_doubt";
            assert_eq!(problem["recorded"], if may_exist { "unknown" } else { "no" }, "{case}");
        }
        assert_eq!(problem["status"], status, "{case}");
        for member in ["type", "title", "detail"] {
            check_text(case, &problem[member]);
        }
        if expected.contains(&"errors") {
            let errors = problem["errors"].as_array().unwrap();
            assert!((1..=100).contains(&errors.len()), "{case}: {} errors", errors.len());
            for error in errors {
                let members: Vec<_> = error.as_object().unwrap().keys().collect();
                assert_eq!(members, ["pointer", "message", "code"], "{case}");
                check_text(case, &error["message"]);
                assert!(error["pointer"].as_str().unwrap().chars().count() <= 256, "{case}");
            }
        }
        problem
    }

    /// Where the input does not fit, of a 422.
    #[track_caller]
    pub(crate) fn pointers(&self, case: &str) -> Vec<String> {
        let problem = self.problem(case, 422);
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// A text says something, but never repeats much of what was sent.
#[track_caller]
fn check_text(case: &str, text: &Value) {
    let length = text.as_str().unwrap().chars().count();
    assert!((1..=256).contains(&length), "{case}: {length} characters: {text}");
}
