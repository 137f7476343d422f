//! HTTP/2: one connection carries many requests, but not all of them.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use hyper::{Method, Request, StatusCode};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{Service, TestDatabase, eventually, flower, measured, turn};

/// How many requests a client may have in work on one connection, and how many all of them.
const STREAMS: usize = 64;
const REQUESTS: usize = 4_096;

/// A connection whose client sends whatever it is told to, allowed or not.
struct Connection {
    send: SendRequest<Bytes>,
    /// Gives how the connection ended.
    ended: JoinHandle<Result<(), h2::Error>>,
}

/// A request that is sent but for its body.
type Begun = (ResponseFuture, SendStream<Bytes>);

impl Connection {
    async fn open(service: &Service) -> Self {
        let stream = TcpStream::connect(service.socket()).await.unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_max_send_streams(1_000);
        let (send, connection) = builder.handshake(stream).await.unwrap();
        Self { send, ended: tokio::spawn(connection) }
    }

    fn request(&mut self, method: Method, path: &str, ended: bool) -> Begun {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://test{path}"))
            .header("content-type", "application/json");
        self.send.send_request(request.body(()).unwrap(), ended).unwrap()
    }

    /// Waits until there may be one request more.
    async fn ready(&mut self) {
        poll_fn(|cx| self.send.poll_ready(cx)).await.unwrap();
    }
}

/// The answer to a `GET` of this address, with a `Host` beside the authority if one is given.
pub(crate) async fn get(
    service: &Service,
    address: &str,
    host: Option<&str>,
) -> (StatusCode, Value) {
    let mut connection = Connection::open(service).await;
    let request = host.into_iter().fold(Request::get(address), |it, host| it.header("host", host));
    let (response, _) = connection.send.send_request(request.body(()).unwrap(), true).unwrap();
    answer(response).await
}

/// The status and the body of an answer.
async fn answer(begun: ResponseFuture) -> (StatusCode, Value) {
    let (head, mut body) = begun.await.unwrap().into_parts();
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
        bytes.extend_from_slice(&part);
    }
    if head.status == 503 {
        assert_eq!(head.headers["retry-after"], "1");
    }
    (head.status, serde_json::from_slice(&bytes).unwrap())
}

/// Others are served as if nothing were.
async fn check_others(service: &Service) {
    for _ in 0..10 {
        let asked = Instant::now();
        service.predict(&flower()).await;
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn requests_are_answered_side_by_side() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut connection = Connection::open(&service).await;
    let mut begun = Vec::new();
    for _ in 0..20 {
        begun.push(connection.request(Method::POST, "/predict", false));
    }
    for (response, mut body) in begun.into_iter().rev() {
        body.send_data(flower().to_string().into(), true).unwrap();
        let (status, answer) = answer(response).await;
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(database.counts().await, (20, 20, 20));
    assert_eq!(connection.send.current_max_send_streams(), STREAMS);
    // A client that has gone quiet does not delay the stop.
    let asked = Instant::now();
    assert_eq!(service.stop().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_request_says_in_one_way_whom_it_is_meant_for() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    for (address, host, status) in [
        ("http://test/predictions", None, 200),
        ("http://test:80/predictions", Some("test:80"), 200),
        ("http://test/predictions", Some("TEST"), 200),
        ("http://a@test/predictions", None, 400),
        ("http://a:b@test/predictions", Some("test"), 400),
        ("http://test/predictions", Some("x"), 400),
        ("http://test/predictions", Some("test:80"), 400),
        ("http://test/predictions", Some("a@test"), 400),
        ("http://test/predictions", Some(""), 400),
    ] {
        let (found, answer) = get(&service, address, host).await;
        assert_eq!(found, status, "{address} {host:?}: {answer}");
    }
}

#[tokio::test]
async fn more_streams_than_are_allowed_are_refused() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut connection = Connection::open(&service).await;
    // All at once, before the client is told how many there may be; none of them ends.
    let flood: Vec<_> =
        (0..1_000).map(|_| connection.request(Method::POST, "/predict", false)).collect();
    check_others(&service).await;
    let mut refused = 0;
    for (response, _body) in flood {
        // One by one, or with the whole connection.
        if let Ok(response) = timeout(Duration::from_millis(1), response).await {
            assert!(response.is_err(), "{response:?}");
            refused += 1;
        }
    }
    assert!(refused >= 1_000 - STREAMS, "{refused}");
}

#[tokio::test]
async fn requests_that_are_withdrawn_at_once_hurt_nobody_else() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut floods = Vec::new();
    for _ in 0..4 {
        let mut connection = Connection::open(&service).await;
        floods.push(tokio::spawn(async move {
            let mut sent = 0;
            while sent < 20_000 && poll_fn(|cx| connection.send.poll_ready(cx)).await.is_ok() {
                let request = Request::get("http://test/predictions").body(()).unwrap();
                let Ok((_, mut stream)) = connection.send.send_request(request, true) else {
                    break;
                };
                stream.send_reset(Reason::CANCEL);
                sent += 1;
                tokio::task::yield_now().await;
            }
            sent
        }));
    }
    let started = Instant::now();
    check_others(&service).await;
    measured("ten predictions amid withdrawn requests", started.elapsed());
    for flood in floods {
        assert!(flood.await.unwrap() > 0);
    }
    check_others(&service).await;
}

#[tokio::test]
async fn more_requests_than_can_be_in_work_are_refused_at_once() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let mut connections = Vec::new();
    let mut held = Vec::new();
    while held.len() < REQUESTS {
        let mut connection = Connection::open(&service).await;
        // Some to spare, for those that are refused.
        for _ in 0..STREAMS - 8 {
            connection.ready().await;
            held.push(connection.request(Method::POST, "/predict", false));
        }
        connections.push(connection);
    }
    let mut refused = connections.pop().unwrap();
    let (status, problem) = loop {
        let (mut response, body) = refused.request(Method::POST, "/predict", false);
        if timeout(Duration::from_millis(500), &mut response).await.is_err() {
            // There was room for one more.
            held.push((response, body));
            continue;
        }
        let (response, body) = refused.request(Method::POST, "/predict", false);
        drop(body);
        break answer(response).await;
    };
    assert_eq!((status.as_u16(), &problem["status"]), (503, &503.into()), "{problem}");
    let (response, _body) = refused.request(Method::GET, "/health/live", true);
    assert_eq!(answer(response).await.0, 200);

    drop((held, connections));
    eventually("there is room again", async || {
        service.post("/predict", &flower()).send().await.unwrap().status() == 200
    })
    .await;
    drop(refused.ended);
}
