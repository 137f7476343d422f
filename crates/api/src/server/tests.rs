//! The limits that take too long to reach, or too much, from outside.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use poem::endpoint::make;
use poem::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Client, Limits, Server};

/// Larger than what the system takes off the server's hands.
const LARGE: usize = 16 << 20;

/// A server with these limits, until it is dropped.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let endpoint = make(async |request: Request| {
            if let Some(client) = request.extensions().get::<Client>() {
                client.was_let_in();
            }
            match request.uri().path() {
                "/never" => std::future::pending().await,
                "/large" => Ok(Response::builder().body(vec![b'x'; LARGE])),
                _ => Ok::<_, poem::Error>(Response::builder().body("short")),
            }
        });
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits, None).await.unwrap();
        let address = server.listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let ended = tokio::spawn(server.run(endpoint, stopped, Duration::from_secs(5)));
        Self { address, stop, ended }
    }

    /// A connection on which this is asked for.
    async fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// A connection on which a request has been answered.
    async fn idle(&self) -> TcpStream {
        let mut stream = self.ask("/").await;
        assert_ne!(stream.read(&mut [0; 1_000]).await.unwrap(), 0);
        stream
    }
}

/// How long it takes until the server closes this connection.
async fn closed(mut stream: TcpStream) -> Duration {
    let started = Instant::now();
    while stream.read(&mut [0; 1_000]).await.is_ok_and(|read| read > 0) {}
    started.elapsed()
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let limits = Limits { idle: Duration::from_secs(1), ..Limits::default() };
    let server = Running::start(limits).await;
    let took = closed(server.idle().await).await;
    assert!((500..2_000).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn an_idle_http_2_connection_ends_although_it_is_never_silent() {
    let limits = Limits { idle: Duration::from_secs(1), ..Limits::default() };
    let server = Running::start(limits).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (_send, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let started = Instant::now();
    let ended = tokio::spawn(connection);
    while pings.ping(h2::Ping::opaque()).await.is_ok() {
        sleep(Duration::from_millis(50)).await;
    }
    // It is told so, not cut off.
    ended.await.unwrap().unwrap();
    let took = started.elapsed();
    assert!((500..2_000).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up() {
    let limits = Limits { answer: Duration::from_secs(1), ..Limits::default() };
    let server = Running::start(limits).await;
    let took = closed(server.ask("/never").await).await;
    assert!((500..2_000).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn the_longest_idle_make_room() {
    // Half of them for one network.
    let limits = Limits { connections: 16, ..Limits::default() };
    let server = Running::start(limits).await;
    let mut busy = vec![server.ask("/never").await, server.ask("/never").await];
    let oldest = server.idle().await;
    sleep(Duration::from_millis(300)).await;
    let mut young = Vec::new();
    for _ in 0..5 {
        young.push(server.idle().await);
    }
    // The oldest goes long before it would have had to.
    let asked = Instant::now();
    drop(server.idle().await);
    assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
    assert!(closed(oldest).await < Duration::from_millis(100));
    for stream in young.iter_mut().chain(&mut busy) {
        let error = stream.try_read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn answers_that_nobody_takes_do_not_fill_the_memory() {
    let limits = Limits { unsent: 2 * LARGE + 1, ..Limits::default() };
    let server = Running::start(limits).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(server.ask("/large").await);
        // So that it is known which came first.
        sleep(Duration::from_millis(600)).await;
    }
    sleep(Duration::from_millis(600)).await;
    let closed: Vec<_> =
        streams.iter().map(|stream| stream.take_error().unwrap().is_some()).collect();
    assert_eq!(closed, [true, true, false, false]);
    // Who takes it gets it.
    let mut answer = Vec::new();
    let mut last = streams.pop().unwrap().take(LARGE as u64);
    assert!(last.read_to_end(&mut answer).await.unwrap() >= LARGE);
}

#[tokio::test]
async fn what_is_in_work_is_answered_before_the_end() {
    let server = Running::start(Limits::default()).await;
    let idle = server.idle().await;
    let mut reader = server.ask("/large").await;
    sleep(Duration::from_millis(100)).await;
    server.stop.send(()).unwrap();
    assert!(closed(idle).await < Duration::from_secs(1));
    let mut answer = Vec::new();
    assert!(reader.read_to_end(&mut answer).await.unwrap() > LARGE);
    server.ended.await.unwrap();
}

#[tokio::test]
async fn time_in_which_nobody_is_connected_is_nobodys_delay() {
    let limits = Limits { first_byte: Duration::from_secs(1), ..Limits::default() };
    let server = Running::start(limits).await;
    drop(server.idle().await);
    // The limit, and a look at the connections, pass without any.
    sleep(Duration::from_secs(2)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // Another look, well within the limit of the new one.
    sleep(Duration::from_millis(500)).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_ne!(stream.read(&mut [0; 1_000]).await.unwrap(), 0);
}
