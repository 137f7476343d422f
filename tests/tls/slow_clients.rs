//! Clients that are slow to shake hands, or after it, are sent away in time; nobody else notices them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::authority::localhost;
use super::{Authority, connect, fetch, start};
use crate::support::{Service, TestDatabase, Wire, eventually, flower, measured, turn};

const SECOND: Duration = Duration::from_secs(1);
/// How long each kind of slowness is borne.
const HANDSHAKE: Duration = Duration::from_secs(5);
const FIRST_BYTE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(5);
const RECEIVING: Duration = Duration::from_secs(20);
/// How much later than that a client may be sent away.
const LATE: Duration = SECOND;

/// What has taken so long ended in time, and not long before.
#[track_caller]
fn check(what: &str, started: Instant, limit: Duration) {
    let took = started.elapsed();
    measured(what, took);
    assert!(took < limit + LATE, "{what}: {took:?}");
    assert!(took + LATE > limit, "{what}: {took:?}");
}

/// What a client says first.
fn hello(authority: &Authority) -> Vec<u8> {
    let config = Arc::new(authority.client("h2"));
    let mut hello = Vec::new();
    let mut client = ClientConnection::new(config, localhost()).unwrap();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Says this instead of shaking hands, all at once or byte by byte, and no more.
async fn stalled(service: &Service, said: &[u8], pause: Duration) {
    let mut stream = TcpStream::connect(service.socket()).await.unwrap();
    let started = Instant::now();
    if pause.is_zero() {
        stream.write_all(said).await.unwrap();
    } else {
        for byte in said {
            let sent = stream.write_all(&[*byte]).await;
            // Nothing is said to it before the end.
            if sent.is_err() || timeout(pause, stream.read(&mut [0])).await.is_ok() {
                break;
            }
        }
    }
    while stream.read(&mut [0; 1_000]).await.is_ok_and(|read| read > 0) {}
    check("a stalled handshake", started, HANDSHAKE);
}

/// Shakes hands, says this, and no more.
async fn silent(service: &Service, authority: &Authority, said: &str, limit: Duration) {
    let mut wire = Wire::over(connect(service, authority).await);
    let started = Instant::now();
    wire.send(said).await;
    wire.closed().await;
    check("silence after the handshake", started, limit);
}

/// Asks for far more than it has room for, and takes nothing.
async fn greedy(service: &Service, authority: &Authority) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let stream = socket.connect(service.socket().parse().unwrap()).await.unwrap();
    let mut stream = authority.shake_hands(stream, "http/1.1").await.unwrap();
    let requests = "GET /docs HTTP/1.1\r\nhost: x\r\n\r\n".repeat(10);
    stream.write_all(requests.as_bytes()).await.unwrap();
    let started = Instant::now();
    eventually("a client that takes nothing is closed", async || {
        stream.get_ref().0.take_error().unwrap().is_some()
    })
    .await;
    check("a client that takes nothing", started, RECEIVING);
}

/// Takes little, but steadily: more than it must.
async fn modest(service: &Service, authority: &Authority) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let stream = socket.connect(service.socket().parse().unwrap()).await.unwrap();
    let mut stream = authority.shake_hands(stream, "http/1.1").await.unwrap();
    let requests = "GET /docs HTTP/1.1\r\nhost: x\r\n\r\n".repeat(10);
    stream.write_all(requests.as_bytes()).await.unwrap();
    let started = Instant::now();
    let mut buffer = vec![0; 4 << 10];
    while started.elapsed() < RECEIVING + SECOND * 2 {
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
        sleep(Duration::from_millis(50)).await;
    }
}

/// Everybody else: each time a new connection.
async fn others(service: &Service, authority: &Authority) {
    let started = Instant::now();
    while started.elapsed() < RECEIVING + SECOND * 2 {
        let asked = Instant::now();
        let stream = connect(service, authority).await;
        let (head, _) = fetch(stream, "POST /predict", &flower().to_string()).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(asked.elapsed() < 2 * SECOND, "{:?}", asked.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
}

/// Hundreds that begin to shake hands, each of which comes back when it is sent away.
fn crowd(service: &Service, hello: &[u8]) -> JoinSet<()> {
    let mut crowd = JoinSet::new();
    for part in [0, 20, hello.len()].iter().cycle().take(300) {
        let (address, part) = (service.socket().to_owned(), hello[..*part].to_vec());
        crowd.spawn(async move {
            loop {
                let mut stream = TcpStream::connect(&address).await.unwrap();
                let _ = stream.write_all(&part).await;
                while stream.read(&mut [0; 1_000]).await.is_ok_and(|read| read > 0) {}
            }
        });
    }
    crowd
}

/// One test, because it is the waiting that takes long.
#[tokio::test]
async fn slow_clients_are_sent_away_in_time_and_nobody_else_notices() {
    let _turn = turn().await;
    let authority = Authority::new();
    let database = TestDatabase::create().await;
    let service = start(&database, &authority.issue("localhost")).await;
    let hello = hello(&authority);
    let crowd = crowd(&service, &hello);
    tokio::join!(
        stalled(&service, b"", Duration::ZERO),
        stalled(&service, &hello[..20], Duration::ZERO),
        stalled(&service, &hello, Duration::ZERO),
        stalled(&service, &hello, SECOND),
        silent(&service, &authority, "", FIRST_BYTE),
        silent(&service, &authority, "GET /health/live HTTP/1.1\r\nhost: x\r\nx-slow: ", HEAD),
        greedy(&service, &authority),
        modest(&service, &authority),
        others(&service, &authority),
    );
    drop(crowd);
    let mut wire = Wire::over(connect(&service, &authority).await);
    assert_eq!(wire.get("/health/ready").await.status, 200);
}
