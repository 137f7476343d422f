//! Accepts connections, serves them, and sees them off.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// How long to wait when the system has no connection to give: without it, a lack of file descriptors would keep a core busy.
const BACK_OFF: Duration = Duration::from_millis(50);

/// A bound address. hyper serves it; poem is the router behind it.
#[derive(Debug)]
pub(crate) struct Server(TcpListener);

impl Server {
    /// Binds the address; connections wait from now on.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// The address, with the port that was chosen if none was asked for.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until told to stop. Then idle connections are closed, and what is in flight has `grace` to end.
    pub(crate) async fn run<E>(self, endpoint: E, stop: impl Future<Output = ()>, grace: Duration)
    where
        E: Endpoint<Output = Response> + 'static,
    {
        let endpoint = Arc::new(endpoint);
        let (stopping, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                accepted = self.0.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let endpoint = Arc::clone(&endpoint);
                        connections.spawn(connection(stream, peer, endpoint, stopped.clone()));
                    }
                    Err(error) => {
                        warn!(%error, "a connection was not accepted");
                        sleep(BACK_OFF).await;
                    }
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                () = &mut stop => break,
            }
        }
        // Nobody is accepted any more, and whoever is connected hears of it.
        drop(self.0);
        drop(stopping);
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(grace, ended).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// Serves one connection to its end.
async fn connection<E>(
    stream: TcpStream,
    peer: SocketAddr,
    endpoint: Arc<E>,
    mut stopped: watch::Receiver<()>,
) where
    E: Endpoint<Output = Response> + 'static,
{
    // An answer leaves when it is written.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "the connection was gone before it was served");
        return;
    }
    let peer = RemoteAddr(Addr::SocketAddr(peer));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let endpoint = Arc::clone(&endpoint);
        let request = Request::from((request, LocalAddr::default(), peer.clone(), Scheme::HTTP));
        async move {
            let response = endpoint.get_response(request).await;
            Ok::<hyper::Response<_>, Infallible>(response.into())
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // A client that has said all is answered, and what it asked for is carried out even if it has gone.
    builder.http1().half_close(true);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        done = serving.as_mut() => return log(done),
        _ = stopped.changed() => {}
    }
    serving.as_mut().graceful_shutdown();
    log(serving.await);
}

fn log<E: Display>(done: Result<(), E>) {
    if let Err(error) = done {
        debug!(%error, "the connection broke off");
    }
}
