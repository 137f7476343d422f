//! Over HTTPS the service is the same, and nothing weaker is spoken.

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Request;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Authority, connect, fetch, refused, start};
use crate::support::{Service, TestDatabase, Wire, flower};

/// Made with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521` for this test alone.
const KEY_OF_P521: &str = "\
-----BEGIN PRIVATE KEY-----
MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAsIF9ym1Cuh/GmQFl
FmV0CVe+z5456z+vaQMVOloe7e50ztnYhRrHg4gpsE0o+J2XrrwLUAIS64Lswp7A
m0As8vWhgYkDgYYABABglWh4gXfFgYcyp7afjp+CVS7b79uIPl5aEV7zNaEXv413
MUeqrhQBe6jXt/uMRELBqccNIsIbiilH0LpVqktpugGSCmg1r8nxQW31st8xEMVy
OZDso9MSdtxeKB8PGBur0O/jbnF3abEDegf0SBfZr2f7KsjWTDLbxXR1PnUIOjSb
bg==
-----END PRIVATE KEY-----
";

#[tokio::test]
async fn https_answers_as_http_does() {
    let authority = Authority::new();
    let database = TestDatabase::create().await;
    let plain = Service::start(&database).await;
    let service = start(&database, &authority.issue("localhost")).await;
    assert!(service.url("").starts_with("https://127.0.0.1:"), "{}", service.url(""));

    // A large request and its large answer.
    let rows = json!({"instances": vec![flower(); 5_000]}).to_string();
    let stream = connect(&service, &authority).await;
    let (head, answer) = fetch(stream, "POST /predict/batch", &rows).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 5_000);
    assert_eq!(database.counts().await, (5_000, 5_000, 5_000));

    let id = predictions[0]["id"].as_str().unwrap();
    for path in
        ["/docs", "/openapi.json", "/predictions?limit=100", &format!("/predictions/{id}"), "/x"]
    {
        let request = format!("GET {path}");
        let of_plain = TcpStream::connect(plain.socket()).await.unwrap();
        let (plain_head, plain_body) = fetch(of_plain, &request, "").await;
        let (head, body) = fetch(connect(&service, &authority).await, &request, "").await;
        assert_eq!(body, plain_body, "{path}");
        // But for the time and its own id, it only says to stay with HTTPS.
        let lines = |head: &str| -> Vec<String> {
            let changing =
                |line: &&str| !line.starts_with("x-request-id") && !line.starts_with("date");
            head.lines().filter(changing).map(ToOwned::to_owned).collect()
        };
        let strict = |line: &String| line != "strict-transport-security: max-age=31536000";
        assert!(!lines(&head).iter().all(strict), "{path}: {head}");
        assert!(lines(&plain_head).iter().all(strict), "{path}: {plain_head}");
        let rest: Vec<_> = lines(&head).into_iter().filter(strict).collect();
        assert_eq!(rest, lines(&plain_head), "{path}");
    }
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn http_2_is_spoken_with_those_who_offer_it() {
    let authority = Authority::new();
    let database = TestDatabase::create().await;
    let service = start(&database, &authority.issue("localhost")).await;
    let stream = TcpStream::connect(service.socket()).await.unwrap();
    let stream = authority.shake_hands(stream, "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    let ended = tokio::spawn(connection);
    let mut begun = Vec::new();
    for _ in 0..20 {
        let request = Request::post("https://localhost/predict");
        let request = request.header("content-type", "application/json").body(()).unwrap();
        let (response, mut body) = send.send_request(request, false).unwrap();
        body.send_data(Bytes::from(flower().to_string()), true).unwrap();
        begun.push(response);
    }
    for response in begun {
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
    }
    assert_eq!(database.counts().await, (20, 20, 20));
    // A client that has gone quiet is told that the service stops.
    drop(send);
    let asked = Instant::now();
    assert_eq!(service.stop().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    ended.await.unwrap().unwrap();
}

/// A client hello of this version, and of no newer one, with one cipher suite of its time.
fn hello(version: u8) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]);
    // No session, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, no compression.
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    [vec![22, 3, 1, 0, length + 4, 1, 0, 0, length], hello].concat()
}

#[tokio::test]
async fn what_is_not_new_enough_or_not_tls_at_all_is_refused() {
    let authority = Authority::new();
    let database = TestDatabase::create().await;
    let service = start(&database, &authority.issue("localhost")).await;
    let answer = async |bytes: &[u8]| {
        let mut stream = TcpStream::connect(service.socket()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // It may also be reset.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    // SSL 3.0, TLS 1.0, 1.1, and even 1.2 with an old cipher suite.
    for version in 0..=3 {
        let answer = answer(&hello(version)).await;
        // A fatal alert, and nothing else.
        assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, _]), "{version}: {answer:?}");
    }
    for bytes in
        [&b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let answer = answer(bytes).await;
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
    // Who knows nothing of HTTP, or trusts somebody else, gets nowhere.
    let stream = TcpStream::connect(service.socket()).await.unwrap();
    authority.shake_hands(stream, "ftp").await.unwrap_err();
    let stream = TcpStream::connect(service.socket()).await.unwrap();
    Authority::new().shake_hands(stream, "h2").await.unwrap_err();
    let mut wire = Wire::over(connect(&service, &authority).await);
    assert_eq!(wire.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn a_private_key_that_everybody_can_read_is_reported() {
    use std::os::unix::fs::PermissionsExt;

    let (authority, database) = (Authority::new(), TestDatabase::create().await);
    let files = authority.issue("localhost");
    let mode = |mode| fs::set_permissions(&files.key, fs::Permissions::from_mode(mode));
    let reported = |log: Vec<String>| log.iter().any(|line| line.contains("the private key"));
    mode(0o640).unwrap();
    let mut service = start(&database, &files).await;
    assert!(!reported(service.log().lines()));
    // It is looked at again whenever it changes.
    mode(0o644).unwrap();
    let line = service.log().wait_for("the private key").await;
    assert!(line.contains(files.key()) && line.contains("chmod"), "{line}");
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_before_a_database_is_created() {
    let authority = Authority::new();
    let (one, two) = (authority.issue("localhost"), authority.issue("localhost"));
    let data = TempDir::new().unwrap();
    let wide = data.path().join("wide.pem");
    fs::write(&wide, [&[0xFF, 0xFE][..], b"-\0-\0"].concat()).unwrap();
    let curve = data.path().join("p521.pem");
    fs::write(&curve, KEY_OF_P521).unwrap();
    let [wide, curve] = [&wide, &curve].map(|file| file.to_str().unwrap());
    let empty = TempDir::new().unwrap();
    for (certificate, key, said) in [
        (one.certificate(), two.key(), "is not that of the certificate"),
        ("/nowhere.pem", one.key(), "/nowhere.pem: No such file"),
        (one.certificate(), "/nowhere.pem", "/nowhere.pem: No such file"),
        (one.key(), one.key(), "there is no certificate in"),
        (one.certificate(), one.certificate(), "there is no private key in"),
        (wide, one.key(), "is a text in UTF-16; save it as UTF-8"),
        (one.certificate(), curve, "ECDSA on P-256 and P-384, and of Ed25519"),
        (one.certificate(), "", "TLS_KEY"),
        ("", one.key(), "TLS_CERT"),
    ] {
        let mut variables = vec![("DATA_DIR", empty.path().to_str().unwrap())];
        let files = [("TLS_CERT", certificate), ("TLS_KEY", key)];
        variables.extend(files.into_iter().filter(|(_, file)| !file.is_empty()));
        let (status, log) = refused(&variables).await;
        assert!(!status.success(), "{log}");
        assert!(log.contains(said), "no «{said}» in the log:\n{log}");
    }
    assert_eq!(empty.path().read_dir().unwrap().count(), 0);
}

/// As Notepad saves them: with a mark before the text, and lines that end in two characters.
#[tokio::test]
async fn files_from_windows_can_be_used() {
    let (authority, database) = (Authority::new(), TestDatabase::create().await);
    let files = authority.issue("localhost");
    for file in [&files.certificate, &files.key] {
        let text = fs::read_to_string(file).unwrap().replace('\n', "\r\n");
        fs::write(file, format!("\u{feff}{text}")).unwrap();
    }
    let service = start(&database, &files).await;
    let mut wire = Wire::over(connect(&service, &authority).await);
    assert_eq!(wire.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn what_is_in_flight_is_answered_before_the_end() {
    let authority = Authority::new();
    let database = TestDatabase::create().await;
    let service = start(&database, &authority.issue("localhost")).await;
    let body = flower().to_string();
    let mut wire = Wire::over(connect(&service, &authority).await);
    wire.announce("/predict", &body).await;
    let mut idle = Wire::over(connect(&service, &authority).await);
    assert_eq!(idle.get("/health/live").await.status, 200);
    // One that never shakes hands does not delay the stop.
    let _stalled = TcpStream::connect(service.socket()).await.unwrap();

    service.signal(Signal::SIGTERM);
    idle.closed().await;
    wire.send(&body).await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
    wire.closed().await;
    assert_eq!(service.ended().await.code(), Some(0));
    assert_eq!(database.counts().await, (1, 1, 1));
}
