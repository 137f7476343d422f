//! Media types, sizes and methods.

use reqwest::Method;
use reqwest::header::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Refusals, petal_length, with};
use crate::support::{Answer, Service, TestDatabase, flower};

/// 4 MiB, the largest body.
const LONGEST: usize = 4 << 20;

/// A valid body of this length.
fn padded(length: usize) -> String {
    let mut body = with("");
    body.push_str(&" ".repeat(length - body.len()));
    body
}

/// A request whose body comes in chunks of at most 64 KiB.
fn chunked(body: &str) -> Vec<u8> {
    let mut request = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        .to_vec();
    for chunk in body.as_bytes().chunks(1 << 16) {
        request.extend(format!("{:x}\r\n", chunk.len()).bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    request
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let refusals = Refusals::start().await;
    for path in ["/predict", "/predict/batch"] {
        let post = || refusals.service.client.post(refusals.service.url(path)).body(with(""));
        refusals.check("32: none", post(), 415).await;
        // 32, 33
        for media_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "////",
            "",
            ";",
            "json",
            "application/jsonx",
            "application/json/x",
            "application/*",
            "text/json",
            "application/problem+json",
            "application/json, text/plain",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json; charset=latin1",
        ] {
            let request = post().header("content-type", media_type);
            refusals.check(media_type, request, 415).await;
        }
        let strange = HeaderValue::from_bytes(b"application/json; charset=\xff").unwrap();
        refusals.check("not ASCII", post().header("content-type", strange), 415).await;
        for two in [["application/json", "text/plain"], ["text/plain", "application/json"]] {
            let request = post().header("content-type", two[0]).header("content-type", two[1]);
            refusals.check("two", request, 415).await;
        }
    }
    refusals.check_well().await;
}

#[tokio::test]
async fn a_body_is_compressed_by_gzip_or_not_at_all() {
    let refusals = Refusals::start().await;
    for encoding in ["deflate", "br", "zstd", "gzip, identity", "x"] {
        let request = refusals.post("/predict", with("")).header("content-encoding", encoding);
        refusals.check(encoding, request, 415).await; // 34
    }
    let request = refusals.post("/predict", with("")).header("content-encoding", "gzip");
    refusals.check("not what it says", request, 400).await;
    let request = refusals.post("/predict", with("")).header("content-encoding", "identity");
    refusals.check("two", request.header("content-encoding", "br"), 415).await;
    refusals.check_well().await;
}

#[tokio::test]
async fn the_ways_to_say_plain_utf_8_json_are_accepted() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for media_type in [
        "application/json",
        "Application/JSON",
        "application/json;",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        let request = service.client.post(service.url("/predict"));
        let request = request.header("content-type", media_type).body(with(""));
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{media_type}: {}", answer.body);
    }
    let request = service.post("/predict", &flower()).header("content-encoding", "Identity");
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_of_four_mebibytes_is_accepted() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let declared = service.client.post(service.url("/predict"));
    let declared = declared.header("content-type", "application/json").body(padded(LONGEST));
    assert_eq!(declared.send().await.unwrap().status(), 200);
    for body in [padded(LONGEST), with("")] {
        let answer = Answer::to_bytes(&service, chunked(&body)).await; // 37
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(database.counts().await, (3, 3, 3));
}

/// The status of the first answer is 413 and not 100: nothing of the body is asked for.
#[tokio::test]
async fn a_larger_body_is_refused_before_it_is_sent_if_the_client_asks() {
    let refusals = Refusals::start().await;
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        LONGEST + 1
    );
    Answer::to_bytes(&refusals.service, head.into_bytes()).await.problem("35: expecting", 413);
    refusals.check_well().await;
}

#[tokio::test]
async fn a_larger_body_is_refused() {
    let refusals = Refusals::start().await;
    let text = petal_length(&format!("\"{}\"", "x".repeat(10_000_000)));
    let batch = format!(r#"{{"instances": [{}]}}"#, vec!["{}"; 2_000_000].join(","));
    refusals.check("26: 10 MB of text", refusals.post("/predict", text.clone()), 413).await;
    refusals.check("35: declared", refusals.post("/predict", padded(LONGEST + 1)), 413).await;
    refusals.check("35: batch", refusals.post("/predict/batch", batch), 413).await;
    refusals
        .check(
            "too large wins over malformed",
            refusals.post("/predict", "x".repeat(LONGEST + 1)),
            413,
        )
        .await;
    for (case, body) in [("36: one byte", padded(LONGEST + 1)), ("36: 10 MB", text)] {
        Answer::to_bytes(&refusals.service, chunked(&body)).await.problem(case, 413);
        assert_eq!(refusals.database.counts().await, (0, 0, 0), "{case}");
    }
    refusals.check_well().await;
}

/// Otherwise a client that keeps the connection loses its next request.
#[tokio::test]
async fn the_connection_goes_on_after_a_body_that_nobody_wants() {
    let refusals = Refusals::start().await;
    for (line, media_type, status) in [
        ("POST /predict", "text/plain", "415"),
        ("POST /predict?x=1", "application/json", "422"),
        ("PUT /predict", "application/json", "405"),
        ("POST /nowhere", "application/json", "404"),
        ("GET /health/live", "application/json", "200"),
    ] {
        let mut connection = TcpStream::connect(refusals.service.socket()).await.unwrap();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nContent-Length: 2\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        // The body comes late: the service has had the time to answer something else.
        refusals.service.get_json("/health/live").await;
        let rest = "{}GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        connection.write_all(rest.as_bytes()).await.unwrap();
        let mut answers = String::new();
        connection.read_to_string(&mut answers).await.unwrap();
        let answers = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]);
        assert_eq!(answers.collect::<Vec<_>>(), [status, "200"], "{line}");
    }
    refusals.check_well().await;
}

#[tokio::test]
async fn other_methods_are_refused_with_those_allowed() {
    const ID: &str = "/predictions/0193593e-8c00-7000-8000-000000000000";
    let refusals = Refusals::start().await;
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "BREW"];
    // 50
    for (path, allowed) in [
        ("/predict", "POST"),
        ("/predict/batch", "POST"),
        ("/predictions", "GET, HEAD"),
        (ID, "GET, HEAD"),
        ("/predictions/x", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/openapi.yaml", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/health/live", "GET, HEAD"),
        ("/health/ready", "GET, HEAD"),
    ] {
        for method in methods.iter().filter(|method| !allowed.split(", ").any(|it| it == **method))
        {
            let case = format!("{method} {path}");
            let url = refusals.service.url(path);
            let request = refusals.service.client.request(method.parse::<Method>().unwrap(), url);
            let answer = Answer::read(request.body(with("")).send().await.unwrap()).await;
            if *method == "HEAD" {
                assert_eq!((answer.status.as_u16(), answer.body.as_str()), (405, ""), "{case}");
            } else {
                answer.problem(&case, 405);
            }
            assert_eq!(answer.header("allow"), allowed, "{case}");
        }
    }
    refusals.check_well().await;
}
