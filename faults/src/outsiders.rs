//! Those who use up what they can without being let in, or with a key that may only read.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// From where they come: other networks than that of the clients who are let in.
const ADDRESSES: [&str; 2] = ["127.0.0.2", "127.0.0.3"];

/// How soon they come back when they are sent away: what is measured is what they hold, and not how fast this machine opens
/// connections.
const AGAIN: Duration = Duration::from_secs(3);

/// How long a client waits between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// A way to use up what others need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Bodies that do not come, for an address that does not exist, over HTTP/2: as many as there are places.
    Bodies,
    /// The longest heads that are taken, none of whose requests ends, over HTTP/2.
    Heads,
    /// The question whether the service is ready, again and again.
    Probes,
    /// As many connections as there are, each with a body that does not come.
    Connections,
    /// A short request that is answered, and in the same packet the beginning of a long head that does not end.
    Leftovers,
    /// A key that may read, answers that are not taken, and searches through the whole record.
    Readers,
}

impl Way {
    pub(crate) const ALL: [Self; 6] = [
        Self::Bodies,
        Self::Heads,
        Self::Probes,
        Self::Connections,
        Self::Leftovers,
        Self::Readers,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bodies => "bodies that do not come",
            Self::Heads => "long heads",
            Self::Probes => "probes",
            Self::Connections => "connections",
            Self::Leftovers => "leftovers",
            Self::Readers => "slow readers",
        }
    }

    /// How long after one connection the next is opened.
    fn between(self) -> Duration {
        match self {
            // Each sends a megabyte at once.
            Self::Heads => Duration::from_millis(20),
            _ => Duration::from_micros(500),
        }
    }

    /// How many connections it takes.
    fn connections(self) -> usize {
        match self {
            Self::Bodies => 132,
            Self::Heads => 250,
            Self::Probes => 40,
            Self::Connections | Self::Leftovers => 4_500,
            Self::Readers => 16,
        }
    }
}

/// Outsiders at work, until this is dropped.
#[derive(Debug)]
pub(crate) struct Outsiders(JoinSet<()>);

impl Outsiders {
    /// Lets this part of them loose on this address, where 1 is all of them; `key` may read the record.
    pub(crate) fn at(socket: &str, way: Way, key: &str, part: usize) -> Self {
        let mut them = JoinSet::new();
        for number in 0..way.connections().div_ceil(part) {
            let (socket, key) = (socket.to_owned(), key.to_owned());
            let from = ADDRESSES[number % ADDRESSES.len()];
            them.spawn(async move {
                // Not all in the same moment.
                sleep(way.between() * u32::try_from(number).unwrap_or(0)).await;
                loop {
                    // To be sent away, or not to get in, is what they are there for.
                    let _ = hold(from, &socket, way, &key).await;
                    sleep(AGAIN).await;
                }
            });
        }
        Self(them)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// One connection, until it is closed.
async fn hold(from: &str, socket: &str, way: Way, key: &str) -> anyhow::Result<()> {
    let tcp = TcpSocket::new_v4()?;
    tcp.bind(format!("{from}:0").parse()?)?;
    let stream = timeout(Duration::from_secs(5), tcp.connect(socket.parse()?)).await??;
    match way {
        Way::Bodies => begin(stream, "POST", "/nowhere", 60, &[]).await,
        Way::Heads => {
            let long = "x".repeat(7_000);
            begin(stream, "POST", "/predict", 64, &[("x-one", &long), ("x-two", &long)]).await
        }
        Way::Probes => probe(stream).await,
        Way::Connections => {
            let head = "POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n";
            say(stream, head).await
        }
        Way::Leftovers => {
            let whole = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
            let part = format!("GET /health/live HTTP/1.1\r\nx-unfinished: {}", "x".repeat(12_000));
            say(stream, &format!("{whole}{part}")).await
        }
        Way::Readers => read(stream, key).await,
    }
}

/// Says this and waits for the end.
async fn say(mut stream: TcpStream, text: &str) -> anyhow::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    let mut said = [0; 1_024];
    while stream.read(&mut said).await? > 0 {}
    Ok(())
}

fn request(method: &str, path: &str, more: &[(&str, &str)]) -> anyhow::Result<hyper::Request<()>> {
    let mut request =
        hyper::Request::builder().method(method).uri(format!("http://localhost{path}"));
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    Ok(request.body(())?)
}

/// Begins so many requests and ends none of them.
async fn begin(
    stream: TcpStream,
    method: &str,
    path: &str,
    count: usize,
    more: &[(&str, &str)],
) -> anyhow::Result<()> {
    let (mut send, connection) = h2::client::handshake(stream).await?;
    let ended = tokio::spawn(connection);
    loop {
        let mut begun = Vec::new();
        for _ in 0..count {
            send = send.ready().await?;
            begun.push(send.send_request(request(method, path, more)?, false)?);
        }
        // Until the last of them is answered; then all over again.
        for (answer, _body) in begun {
            answer.await?;
        }
        if ended.is_finished() {
            return Ok(());
        }
        sleep(AGAIN * 3).await;
    }
}

/// Asks again and again, with as many questions under way as there may be.
async fn probe(stream: TcpStream) -> anyhow::Result<()> {
    let (send, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    let mut asking = JoinSet::new();
    for _ in 0..64 {
        let send: SendRequest<Bytes> = send.clone();
        asking.spawn(async move {
            let mut send = send;
            loop {
                send = send.ready().await?;
                let (answer, _) = send.send_request(request("GET", "/health/ready", &[])?, true)?;
                let mut body = answer.await?.into_body();
                while let Some(part) = body.data().await {
                    body.flow_control().release_capacity(part?.len())?;
                }
                // The clients share the processor with the service.
                sleep(PAUSE).await;
            }
        });
    }
    let ended: Option<Result<anyhow::Result<()>, _>> = asking.join_next().await;
    ended.map_or(Ok(()), |ended| ended?)
}

/// Asks for pages of which nothing is taken, and then for searches.
async fn read(stream: TcpStream, key: &str) -> anyhow::Result<()> {
    // Answers fit into no window.
    let (mut send, connection) = h2::client::Builder::new()
        .initial_window_size(1)
        .initial_connection_window_size(65_535)
        .handshake::<_, Bytes>(stream)
        .await?;
    let ended = tokio::spawn(connection);
    let authorization = format!("Bearer {key}");
    let header = [("authorization", authorization.as_str())];
    let mut answers = Vec::new();
    for path in ["/predictions?limit=1000", "/predictions?model_version=nope"] {
        for _ in 0..30 {
            send = send.ready().await?;
            answers.push(send.send_request(request("GET", path, &header)?, true)?);
        }
    }
    ended.await??;
    Ok(())
}
