//! Where connections are scarce, those go first that have brought nothing; no network has all of them.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::support::{Service, TestDatabase, Wire, flower, turn};

/// A service for so few connections that a test can have all of them: 192 of 256 descriptors.
async fn start(database: &TestDatabase) -> Service {
    Service::start_with_descriptors(database, "-n 256").await
}

/// Ways to hold a connection without bringing anything.
const WAYS: [&str; 4] = [
    "",
    "GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-unfinished: ",
    "POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n",
    // An answered request, and the beginning of another one.
    "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\nGET /health/live HTTP/1.1\r\nx: ",
];

async fn connect(from: &str, to: &str) -> Option<Wire<TcpStream>> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let connecting = socket.connect(to.parse().unwrap());
    Some(Wire::over(timeout(Duration::from_secs(2), connecting).await.ok()?.ok()?))
}

/// Holds so many connections from each of these addresses in this way, and opens those again that are closed.
fn hold(
    service: &Service,
    addresses: &[&'static str],
    count: usize,
    way: &'static str,
) -> JoinSet<()> {
    let mut holding = JoinSet::new();
    for address in addresses {
        for _ in 0..count {
            let (address, to) = (*address, service.socket().to_owned());
            holding.spawn(async move {
                loop {
                    if let Some(mut wire) = connect(address, &to).await
                        && wire.try_send(way).await.is_ok()
                    {
                        wire.ended().await;
                    }
                    sleep(Duration::from_millis(200)).await;
                }
            });
        }
    }
    holding
}

/// Asks from this address, each time over a new connection.
async fn check(service: &Service, from: &str, case: &str) {
    let client = reqwest::Client::builder()
        .local_address(from.parse::<std::net::IpAddr>().unwrap())
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    for _ in 0..10 {
        let predict = || client.post(service.url("/predict")).json(&flower());
        assert_eq!(answered(predict, case).await, 200, "{case}");
        let ready = || client.get(service.url("/health/ready"));
        assert_eq!(answered(ready, case).await, 200, "{case}");
    }
}

/// The status of the answer. On a busy machine the request may come so late that its connection has brought nothing when one has to
/// go; a client tries that again, and must not be kept out.
async fn answered(request: impl Fn() -> RequestBuilder, case: &str) -> StatusCode {
    for _ in 0..2 {
        if let Ok(answer) = request().send().await {
            return answer.status();
        }
    }
    request().send().await.expect(case).status()
}

#[tokio::test]
async fn one_network_that_has_too_many_connections_keeps_nobody_out() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = start(&database).await;
    for way in WAYS {
        let holding = hold(&service, &["127.0.0.1"], 300, way);
        sleep(Duration::from_millis(600)).await;
        check(&service, "127.0.0.2", way).await;
        // And not even itself.
        check(&service, "127.0.0.1", way).await;
        drop(holding);
    }
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn many_networks_that_have_all_connections_keep_nobody_out() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = start(&database).await;
    const NETWORKS: [&str; 6] =
        ["127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8"];
    for way in WAYS {
        let holding = hold(&service, &NETWORKS, 60, way);
        sleep(Duration::from_millis(600)).await;
        check(&service, "127.0.0.2", way).await;
        drop(holding);
    }
    assert_eq!(service.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_connection_that_has_brought_something_stays() {
    let _turn = turn().await;
    let database = TestDatabase::create().await;
    let service = start(&database).await;
    let mut honest = connect("127.0.0.2", service.socket()).await.unwrap();
    assert_eq!(honest.get("/predictions").await.status, 200);
    let holding = hold(&service, &["127.0.0.3", "127.0.0.4", "127.0.0.5"], 100, WAYS[2]);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(honest.get("/predictions").await.status, 200);
    drop(holding);
}
