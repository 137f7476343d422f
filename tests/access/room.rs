//! What those can take who are not let in: no place of those who are.

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use hyper::Method;
use tokio::net::TcpStream;

use super::Keyed;
use crate::support::{Service, Wire, turn};

/// How many bodies of requests that are not let in are waited for at once.
const TURNED_AWAY: usize = 1_024;

/// Every door that opens without a key: what is asked there, and the answer.
const DOORS: [(&str, &str, u16); 7] = [
    ("POST", "/predict", 401),
    ("GET", "/predictions", 401),
    ("POST", "/nowhere", 404),
    ("PUT", "/docs", 405),
    ("GET", "/openapi.json", 200),
    ("GET", "/health/live", 200),
    ("DELETE", "/predict", 405),
];

/// How many requests without a key there are on how many HTTP/2 connections, none of them sent to its end: more than there
/// are places for those who are let in.
const CONNECTIONS: usize = 70;
const REQUESTS: usize = 60;

type Begun = (ResponseFuture, SendStream<Bytes>);

async fn begin(service: &Service, method: &str, path: &str) -> Vec<Begun> {
    let stream = TcpStream::connect(service.socket()).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut begun = Vec::new();
    for _ in 0..REQUESTS {
        client = client.ready().await.unwrap();
        let request = hyper::Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("http://127.0.0.1{path}"))
            .header("content-length", "10");
        begun.push(client.send_request(request.body(()).unwrap(), false).unwrap());
    }
    begun
}

async fn check_keyed(keyed: &Keyed, secret: &str, case: &str) {
    assert_eq!(keyed.answer(keyed.predict(secret)).await.status, 200, "{case}");
    assert_eq!(keyed.service.get("/health/ready").await.status(), 200, "{case}");
}

#[tokio::test]
async fn http_2_requests_that_take_no_key_are_answered_before_they_end() {
    let _turn = turn().await;
    let mut keyed = Keyed::start().await;
    let secret = keyed.key(&["--scope", "predict"]).await;
    for (method, path, status) in DOORS {
        let case = format!("{method} {path}");
        let mut begun = Vec::new();
        for _ in 0..CONNECTIONS {
            begun.extend(begin(&keyed.service, method, path).await);
        }
        check_keyed(&keyed, &secret, &case).await;
        for (answer, _body) in begun {
            assert_eq!(answer.await.unwrap().status(), status, "{case}");
        }
    }
}

#[tokio::test]
async fn http_1_bodies_that_do_not_come_are_waited_for_to_a_bound_and_hold_up_nobody() {
    let _turn = turn().await;
    let mut keyed = Keyed::start().await;
    let secret = keyed.key(&["--scope", "predict"]).await;
    // A share of the bound for each door.
    let each = TURNED_AWAY / DOORS.len() + 2;
    let mut wires = Vec::new();
    for (method, path, status) in DOORS {
        for _ in 0..each {
            let mut wire = Wire::open(&keyed.service).await;
            wire.send(&format!(
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n"
            ))
            .await;
            wires.push((wire, status));
        }
        check_keyed(&keyed, &secret, path).await;
    }
    let (mut answered, all) = (0, wires.len());
    for (wire, status) in &mut wires {
        if wire.is_answered().await {
            let reply = wire.reply().await;
            assert_eq!(reply.status, *status, "{}", reply.body);
            assert!(reply.head.contains("connection: close"), "{}", reply.head);
            answered += 1;
        }
    }
    assert_eq!(answered, all - TURNED_AWAY);
}
