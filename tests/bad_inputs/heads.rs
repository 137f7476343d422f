//! What surrounds a body, byte by byte: request lines, headers, framing.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Refusals, with};
use crate::support::{Answer, Service, TestDatabase, Wire};

/// What a proxy might be made to believe is another's request.
const SMUGGLED: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";

/// A valid request but for these header lines.
fn predict(headers: &str, body: &str) -> String {
    format!("POST /predict HTTP/1.1\r\n{headers}Content-Type: application/json\r\n\r\n{body}")
}

/// The same, with a host and the length of the body.
fn declared(headers: &str) -> String {
    let body = with("");
    predict(&format!("Host: x\r\n{headers}Content-Length: {}\r\n", body.len()), &body)
}

/// The statuses of all the answers to these bytes, after which the service must close the connection.
async fn statuses(service: &Service, case: &str, bytes: &[u8]) -> Vec<String> {
    let (mut reader, mut writer) = TcpStream::connect(service.socket()).await.unwrap().into_split();
    let bytes = bytes.to_vec();
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(&bytes).await;
        // Held open, so that it is the service who closes.
        writer
    });
    let (mut answers, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let reading = async {
        // It may be reset if the service has not read all of it.
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            answers.extend_from_slice(&buffer[..read]);
        }
    };
    let closed = tokio::time::timeout(std::time::Duration::from_secs(4), reading).await;
    assert!(closed.is_ok(), "{case}: not closed");
    writing.abort();
    let answers = String::from_utf8(answers).unwrap();
    answers.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].to_owned()).collect()
}

/// Each of these is refused with this status, once; nothing after it is served, and the connection is closed.
async fn check_closed<B: AsRef<[u8]>>(status: &str, cases: impl IntoIterator<Item = (&str, B)>) {
    let refusals = Refusals::start().await;
    for (case, bytes) in cases {
        let bytes = [bytes.as_ref(), SMUGGLED.as_bytes()].concat();
        assert_eq!(statuses(&refusals.service, case, &bytes).await, [status], "{case}");
        assert_eq!(refusals.database.counts().await, (0, 0, 0), "{case}");
    }
    refusals.check_well().await;
}

#[tokio::test]
async fn a_request_says_once_and_validly_whom_it_is_meant_for() {
    let body = with("");
    let hosts = |hosts: &str| predict(&format!("{hosts}Content-Length: {}\r\n", body.len()), &body);
    check_closed(
        "400",
        [
            ("44: none", hosts("")),
            ("44: two", hosts("Host: x\r\nHost: x\r\n")),
            ("44: two, and different", hosts("Host: x\r\nhost: y\r\n")),
            ("44: with a space", hosts("Host: x y\r\n")),
            ("44: with a path", hosts("Host: x/predict\r\n")),
            ("44: with a user", hosts("Host: root@x\r\n")),
            ("44: a list", hosts("Host: [x]y\r\n")),
            ("44: with a port that is none", hosts("Host: x:http\r\n")),
            (
                "44: with a user in the address",
                hosts("Host: x\r\n").replace("/predict", "http://a@x/predict"),
            ),
            ("51: CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n".to_owned()),
        ],
    )
    .await;

    let refusals = Refusals::start().await;
    for (case, request) in [
        ("none", "GET /predictions HTTP/1.1\r\nConnection: close\r\n\r\n"),
        ("CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\nConnection: close\r\n\r\n"),
    ] {
        Answer::to_bytes(&refusals.service, request.into()).await.problem(case, 400);
    }
    refusals.check_well().await;
}

#[tokio::test]
async fn framing_that_can_be_read_in_two_ways_is_refused() {
    let body = with("");
    let framed = |headers: &str| predict(&format!("Host: x\r\n{headers}"), &body);
    let chunked = |body: &str| predict("Host: x\r\nTransfer-Encoding: chunked\r\n", body);
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let coded = |headers: &str| predict(&format!("Host: x\r\n{headers}"), &chunks);
    let length = body.len();
    check_closed(
        "400",
        [
            (
                "40: two lengths",
                framed(&format!("Content-Length: {length}\r\nContent-Length: 1\r\n")),
            ),
            ("40: plus", framed(&format!("Content-Length: +{length}\r\n"))),
            ("40: minus", framed("Content-Length: -5\r\n")),
            ("40: list", framed("Content-Length: 5, 5\r\n")),
            ("40: hexadecimal", framed("Content-Length: 0x5\r\n")),
            ("40: nothing", framed("Content-Length: \r\n")),
            ("42: identity", framed("Transfer-Encoding: identity\r\n")),
            ("42: xchunked", framed("Transfer-Encoding: xchunked\r\n")),
            ("42: chunked, identity", framed("Transfer-Encoding: chunked, identity\r\n")),
            ("42: chunked, chunked", coded("Transfer-Encoding: chunked, chunked\r\n")),
            (
                "42: chunked in two lines",
                coded("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            ),
            ("42: identity, chunked", coded("Transfer-Encoding: identity, chunked\r\n")),
            (
                "42: identity and chunked in two lines",
                coded("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
            ),
            ("42: gzip, chunked", coded("Transfer-Encoding: gzip, chunked\r\n")),
            ("42: an empty one and chunked", coded("Transfer-Encoding: , chunked\r\n")),
            ("42: space before the colon", framed("Transfer-Encoding : chunked\r\n")),
            ("42: HTTP/1.0", chunked("0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0")),
            ("43: no number", chunked("ZZ\r\n{}\r\n0\r\n\r\n")),
            ("43: 17 digits", chunked("10000000000000002\r\n{}\r\n0\r\n\r\n")),
            (
                "43: a long extension",
                chunked(&format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(40_000))),
            ),
            ("43: more than it says", chunked("2\r\n{}x\r\n0\r\n\r\n")),
            ("46: folded line", framed("X-Folded: a\r\n b\r\nContent-Length: 0\r\n")),
            ("46: NUL", framed("X-Nul: a\0b\r\nContent-Length: 0\r\n")),
            ("46: carriage return", framed("X-Return: a\rb\r\nContent-Length: 0\r\n")),
            ("46: no colon", framed("X-Nothing\r\nContent-Length: 0\r\n")),
            ("46: no name", framed(": x\r\nContent-Length: 0\r\n")),
            ("67: escape sequence", "GET /\u{1b}[31m HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()),
            ("49: HTTP/9.9", "GET / HTTP/9.9\r\nHost: x\r\n\r\n".to_owned()),
            ("49: no version", "GET /\r\n\r\n".to_owned()),
        ],
    )
    .await;
    let tls_hello: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    check_closed("400", [("49: TLS", tls_hello)]).await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let lines: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long = |length| format!("X-Long: {}\r\n", "x".repeat(length));
    check_closed(
        "431",
        [
            ("39", declared("").replace(&with("").len().to_string(), "18446744073709551615")),
            ("47: 101 lines", declared(&lines)),
            ("47: 20 KB", declared(&long(20_000))),
            ("47: 500 KB", declared(&long(500_000))),
            // Before it is known that it is the address that is too long.
            ("48", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000))),
        ],
    )
    .await;
}

/// A length beside chunks is passed over, as RFC 9112, section 6.3, allows, and the connection is closed, as it demands:
/// what is hidden behind the one or the other is served to nobody. hyper does not let anybody see that both were there.
#[tokio::test]
async fn a_length_beside_chunks_smuggles_nothing() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let chunks = format!("{:x}\r\n{}\r\n0\r\n\r\n", with("").len(), with(""));
    let (length, chunked) = ("Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n");
    for (case, headers) in [
        ("41: length first", format!("Host: x\r\n{length}{chunked}")),
        ("41: chunks first", format!("Host: x\r\n{chunked}{length}")),
    ] {
        let request = predict(&headers, &chunks) + SMUGGLED;
        assert_eq!(statuses(&service, case, request.as_bytes()).await, ["200"], "{case}");
    }
    assert_eq!(database.counts().await, (2, 2, 2));
}

#[tokio::test]
async fn what_is_strange_but_clear_is_accepted() {
    let database = TestDatabase::create().await;
    // Whatever name a request is for.
    let service = Service::start_with(&database, [("INSECURE", "1")]).await;
    let valid = declared("");
    let cases = [
        ("1", valid.clone()),
        ("44: HTTP/1.0 without Host", valid.replace("HTTP/1.1\r\nHost: x", "HTTP/1.0\r\nX: x")),
        ("absolute address", valid.replace("/predict", "http://elsewhere/predict")),
        ("45: bare line feeds", valid.replace("\r\n", "\n")),
        ("the same length twice", declared(&format!("Content-Length: {}\r\n", with("").len()))),
        ("53: another expectation", declared("Expect: 200-ok\r\n")),
        ("100 lines", declared(&(0..96).map(|n| format!("X-{n}: 1\r\n")).collect::<String>())),
        ("8 KB", declared(&format!("X-Long: {}\r\n", "x".repeat(8_000)))),
        ("an address as host", valid.replace("Host: x", "Host: [::1]:8000")),
    ];
    let count = i64::try_from(cases.len()).unwrap() + 1;
    for (case, request) in cases {
        let request = request.replacen("Content-Type", "Connection: close\r\nContent-Type", 1);
        let answer = Answer::to_bytes(&service, request.into_bytes()).await;
        assert_eq!(answer.status, 200, "{case}: {}", answer.body);
    }
    let mut request = declared("Connection: close\r\nOrigin: http://?\r\n").into_bytes(); // 54
    *request.iter_mut().find(|byte| **byte == b'?').unwrap() = 0xff;
    let answer = Answer::to_bytes(&service, request).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(database.counts().await, (count, count, count));
}

/// An upgrade that nobody offers is passed over.
#[tokio::test]
async fn the_connection_stays_what_it_is() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut wire = Wire::open(&service).await;
    for protocol in ["h2c", "websocket", "TLS/1.3"] {
        wire.send(&format!(
            "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        ))
        .await;
        assert_eq!(wire.reply().await.status, 200, "{protocol}");
    }
    assert_eq!(wire.get("/health/live").await.status, 200);
}
