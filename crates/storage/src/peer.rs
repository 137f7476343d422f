//! A connection over a Unix socket to a server of one user and nobody else's: libpq's `requirepeer`.

use std::io;
use std::path::Path;

use domain::Causes;
use nix::unistd::Uid;
use tokio::net::UnixStream;
use tokio_postgres::{Config, Error, NoTls};

use crate::connector::Connected;
use crate::own_error;

/// Connects to the server that this user has at the socket.
pub(crate) async fn connect(config: &Config, socket: &Path, peer: Uid) -> Result<Connected, Error> {
    let stream = match open(socket, peer).await {
        Ok(stream) => stream,
        Err(error) => return own_error::of_words(format!("{}: {error}", socket.display())).await,
    };
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %Causes(&error), "a connection ended badly");
        }
    });
    Ok((client, task))
}

async fn open(socket: &Path, peer: Uid) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket).await?;
    let found = stream.peer_cred()?.uid();
    if found == peer.as_raw() {
        return Ok(stream);
    }
    Err(io::Error::other(format!("the user {found} answers there, and not the user {peer}")))
}
