//! Clients that are slow, by weakness or by malice, are sent away in time; nobody else notices them.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{Service, TestDatabase, Wire, eventually, flower, measured, turn};

const SECOND: Duration = Duration::from_secs(1);
/// How long each kind of slowness is borne.
const FIRST_BYTE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(5);
const BODY: Duration = Duration::from_secs(15);
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

fn head(line: &str, length: usize) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Sends nothing.
async fn silent(service: &Service) {
    let mut wire = Wire::open(service).await;
    let started = Instant::now();
    wire.closed().await;
    check("silence", started, FIRST_BYTE);
}

/// Sends a part of a head, and no more, or the rest too slowly; first of all requests, and after another one.
async fn slow_head(service: &Service, pause: Duration, earlier: bool) {
    let mut wire = Wire::open(service).await;
    if earlier {
        assert_eq!(wire.get("/health/live").await.status, 200);
    }
    let started = Instant::now();
    wire.send("GET /health/live HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    wire.drip(&"x".repeat(100), pause).await;
    wire.closed().await;
    check("a slow head", started, HEAD);
}

/// Announces a body and sends it too slowly, or not at all: 38 of the catalogue of bad inputs.
async fn slow_body(service: &Service, line: &str, sent: &str, status: u16) {
    let mut wire = Wire::open(service).await;
    let started = Instant::now();
    wire.send(&head(line, 100)).await;
    wire.drip(sent, SECOND).await;
    let reply = wire.reply().await;
    check("a slow body", started, BODY);
    assert_eq!(reply.status, status, "{line}: {}", reply.body);
    assert_eq!(reply.body["status"], status, "{line}: {}", reply.body);
    if status == 408 {
        assert!(reply.head.contains("connection: close"), "{}", reply.head);
    }
    wire.closed().await;
}

/// Sends a body slowly, but in time.
async fn leisurely_body(service: &Service) {
    let body = flower().to_string();
    let mut wire = Wire::open(service).await;
    wire.send(&head("POST /predict", body.len())).await;
    wire.drip(&body, Duration::from_secs(8) / u32::try_from(body.len()).unwrap()).await;
    assert_eq!(wire.reply().await.status, 200);
}

/// Is silent between two requests.
async fn thoughtful(service: &Service) {
    let mut wire = Wire::open(service).await;
    for pause in [0, 22] {
        sleep(SECOND * pause).await;
        assert_eq!(wire.get("/health/live").await.status, 200);
    }
}

/// Asks for far more than it has room for.
async fn greedy(service: &Service) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stream = socket.connect(service.socket().parse().unwrap()).await.unwrap();
    let requests = "GET /docs HTTP/1.1\r\nhost: x\r\n\r\n".repeat(10);
    stream.write_all(requests.as_bytes()).await.unwrap();
    stream
}

/// Takes a few bytes a second of an answer, or nothing.
async fn slow_reader(service: &Service, bytes: usize) {
    let mut stream = greedy(service).await;
    let started = Instant::now();
    let mut next = started;
    eventually("a client that takes nothing is closed", async || {
        if Instant::now() >= next {
            next += SECOND;
            let _ = stream.read(&mut vec![0; bytes]).await;
        }
        stream.take_error().unwrap().is_some()
    })
    .await;
    check("a slow reader", started, RECEIVING);
}

/// Takes little, but steadily: more than it must.
async fn modest_reader(service: &Service) {
    let mut stream = greedy(service).await;
    let started = Instant::now();
    let mut buffer = vec![0; 4 << 10];
    while started.elapsed() < RECEIVING + SECOND * 2 {
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
        sleep(Duration::from_millis(50)).await;
    }
}

/// Everybody else.
async fn others(service: &Service) {
    let started = Instant::now();
    while started.elapsed() < RECEIVING + SECOND * 2 {
        let asked = Instant::now();
        service.predict(&flower()).await;
        assert!(asked.elapsed() < 2 * SECOND, "{:?}", asked.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
}

/// Hundreds of slow ones, each of which comes back when it is sent away.
fn crowd(service: &Service) -> JoinSet<()> {
    let mut crowd = JoinSet::new();
    let parts = ["".to_owned(), "GET /hea".to_owned(), head("POST /predict", 9)];
    for part in parts.iter().cycle().take(500) {
        let (address, part) = (service.socket().to_owned(), part.clone());
        crowd.spawn(async move {
            loop {
                let mut stream = TcpStream::connect(&address).await.unwrap();
                stream.write_all(part.as_bytes()).await.unwrap();
                let _ = stream.read(&mut [0; 1000]).await;
            }
        });
    }
    crowd
}

/// One test, because it is the waiting that takes long.
#[tokio::test]
async fn slow_clients_are_sent_away_in_time_and_nobody_else_notices() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let crowd = crowd(&service);
    let none = Duration::from_secs(3_600);
    let drops = "{".repeat(50);
    tokio::join!(
        silent(&service),
        slow_head(&service, none, false),
        slow_head(&service, none, true),
        slow_head(&service, SECOND, false),
        slow_head(&service, SECOND, true),
        slow_body(&service, "POST /predict", "", 408),
        slow_body(&service, "POST /predict", &drops, 408),
        slow_body(&service, "POST /predict/batch", &drops, 408),
        slow_body(&service, "PUT /docs", &drops, 405),
        leisurely_body(&service),
        thoughtful(&service),
        slow_reader(&service, 0),
        slow_reader(&service, 10),
        modest_reader(&service),
        others(&service),
    );
    drop(crowd);
    let ready: Value = service.get_json("/health/ready").await;
    assert_eq!(ready["status"], "ok");
}
