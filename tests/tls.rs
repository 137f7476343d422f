//! Encrypted connections: of clients to the service, and of the service to its database.

mod authority;
mod database;
mod https;
mod passwords;
mod renewal;
mod slow_clients;

use std::process::ExitStatus;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{Service, TestDatabase, spawn};
use authority::{Authority, Issued};

/// Starts a service that answers by HTTPS.
async fn start(database: &TestDatabase, issued: &Issued) -> Service {
    let files = [("TLS_CERT", &issued.certificate), ("TLS_KEY", &issued.key)];
    Service::start_with(database, files).await
}

/// An encrypted connection on which HTTP/1.1 is spoken.
async fn connect(service: &Service, authority: &Authority) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(service.socket()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    authority.shake_hands(stream, "http/1.1").await.unwrap()
}

/// The head of an answer and its body, to the proper end of the connection.
async fn fetch<S>(mut stream: S, request: &str, body: &str) -> (String, Vec<u8>)
where
    S: AsyncReadExt + AsyncWriteExt + Unpin,
{
    let head = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    // Of an encrypted stream this fails if the service does not say that this was all.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let body = answer.split_off(end);
    (String::from_utf8(answer).unwrap(), body)
}

/// Runs a service that does not start; gives how it ended and what it said.
async fn refused(variables: &[(&str, &str)]) -> (ExitStatus, String) {
    let mut command = Service::command();
    command.envs(variables.iter().copied());
    let (mut process, mut log) = spawn(command);
    log.ended().await;
    (process.wait().unwrap(), log.lines().join("\n"))
}
