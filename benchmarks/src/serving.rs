//! poem's own server, with `TCP_NODELAY` as the service has it.

use std::io::{self, Write};
use std::net::SocketAddr;

use anyhow::Context;
use poem::http::uri::Scheme;
use poem::listener::{Acceptor, Listener, TcpAcceptor, TcpListener};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Server};
use tokio::net::TcpStream;

/// Answers on this address until the process is ended; says where on standard output.
///
/// # Errors
///
/// Fails if the address cannot be bound.
pub async fn serve(listen: SocketAddr, endpoint: impl Endpoint + 'static) -> anyhow::Result<()> {
    let acceptor = TcpListener::bind(listen)
        .into_acceptor()
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    for address in acceptor.local_addr().iter().filter_map(|address| address.as_socket_addr()) {
        writeln!(io::stdout(), "listening on http://{address}")?;
    }
    Ok(Server::new_with_acceptor(NoDelay(acceptor)).run(endpoint).await?)
}

/// poem's acceptor, which does not set `TCP_NODELAY` itself.
struct NoDelay(TcpAcceptor);

impl Acceptor for NoDelay {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let accepted = self.0.accept().await?;
        accepted.0.set_nodelay(true)?;
        Ok(accepted)
    }
}
