//! An HTTP/1.1 connection spoken by hand, for what a client library does not show.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Service;

/// One connection to a service.
#[derive(Debug)]
pub(crate) struct Wire<S = TcpStream> {
    stream: BufReader<S>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The header lines, in lower case.
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Wire {
    pub(crate) async fn open(service: &Service) -> Self {
        let stream = TcpStream::connect(service.socket()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// One that is open already.
    pub(crate) fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends as much of this text as the service takes before it closes the connection.
    pub(crate) async fn try_send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await
    }

    /// Sends this text byte by byte, with this pause between them, until it is sent or the connection is closed.
    pub(crate) async fn drip(&mut self, text: &str, pause: Duration) {
        for byte in text.bytes() {
            let sent = self.stream.write_all(&[byte]).await;
            // An answer, or the end, makes the rest pointless.
            if sent.is_err() || timeout(pause, self.stream.fill_buf()).await.is_ok() {
                return;
            }
        }
    }

    /// Says that nothing more will be sent; what comes back can still be read.
    pub(crate) async fn end_sending(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        self.reply().await
    }

    /// Sends the head of a request and waits until the service asks for the body: from then on it is in flight.
    pub(crate) async fn announce(&mut self, path: &str, body: &str) {
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
        ))
        .await;
        assert!(self.head().await.starts_with("http/1.1 100 "));
    }

    /// Reads one answer.
    pub(crate) async fn reply(&mut self) -> Reply {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        self.stream.read_exact(&mut body).await.unwrap();
        Reply { status, head, body: serde_json::from_slice(&body).unwrap() }
    }

    /// Waits until the service has closed the connection without another word.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.stream.read(&mut [0]).await.unwrap_or(0), 0);
    }

    /// Waits until the service has closed the connection, whatever it says before.
    pub(crate) async fn ended(&mut self) {
        let mut said = [0; 4_096];
        while self.stream.read(&mut said).await.is_ok_and(|length| length > 0) {}
    }

    /// Whether the service has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(self.peek().await, Some(0))
    }

    /// Whether the service has said something, or closed the connection.
    pub(crate) async fn is_answered(&mut self) -> bool {
        self.peek().await.is_some()
    }

    /// How many bytes there are to read; none at all if it is to be waited for.
    async fn peek(&mut self) -> Option<usize> {
        let read = self.stream.fill_buf();
        let read = timeout(Duration::from_millis(1), read).await.ok()?;
        Some(read.map_or(0, <[u8]>::len))
    }

    /// The lines up to the empty one.
    async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let length = self.stream.read_line(&mut head).await.unwrap();
            assert_ne!(length, 0, "the connection was closed after «{head}»");
        }
        head.to_lowercase()
    }
}
