//! One connection, served to its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use domain::Causes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Request, Response};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tracing::debug;

use super::answer::Answer;
use super::handshake::shake_hands;
use super::observed::Observed;
use super::progress::{Client, Leaves, Progress, Told};
use super::transport::Transport;

/// Serves one connection, encrypted if there is something to encrypt it by, until it ends or is told to.
pub(super) async fn serve<E>(
    stream: TcpStream,
    encryption: Option<Arc<ServerConfig>>,
    peer: SocketAddr,
    endpoint: Arc<E>,
    protocol: Arc<auto::Builder<TokioExecutor>>,
    progress: Arc<Progress>,
) where
    E: Endpoint<Output = Response> + 'static,
{
    let _leaves = Leaves(Arc::clone(&progress));
    // An answer leaves when it is written.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "the connection was gone before it was served");
        return;
    }
    match encryption {
        None => serve_over(stream, peer, endpoint, protocol, progress).await,
        Some(config) => {
            // Kept apart, as it is the larger one.
            let encrypted = async {
                if let Some(stream) = shake_hands(stream, config, &progress).await {
                    serve_over(stream, peer, endpoint, protocol, progress).await;
                }
            };
            Box::pin(encrypted).await;
        }
    }
}

async fn serve_over<S, E>(
    stream: S,
    peer: SocketAddr,
    endpoint: Arc<E>,
    protocol: Arc<auto::Builder<TokioExecutor>>,
    progress: Arc<Progress>,
) where
    S: Transport,
    E: Endpoint<Output = Response> + 'static,
{
    let stream = TokioIo::new(Observed::new(stream, Arc::clone(&progress)));
    let peer = RemoteAddr(Addr::SocketAddr(peer));
    let connection = Arc::clone(&progress);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let in_work = connection.request();
        request.extensions_mut().insert(Client(Arc::clone(&connection)));
        let endpoint = Arc::clone(&endpoint);
        let request = Request::from((request, LocalAddr::default(), peer.clone(), S::scheme()));
        async move {
            let mut response: hyper::Response<_> = endpoint.get_response(request).await.into();
            S::complete(response.headers_mut());
            Ok::<_, Infallible>(response.map(|body| Answer::new(body, in_work.connection())))
        }
    });
    let mut serving = pin!(protocol.serve_connection(stream, service));
    let mut heard = None;
    let served = poll_fn(|cx| {
        if heard != Some(progress.told()) {
            // First listen, then look; to be woken uses up the listening.
            progress.listen(cx);
            let told = progress.told();
            heard = Some(told);
            match told {
                Told::Nothing => {}
                Told::Finish => serving.as_mut().graceful_shutdown(),
                Told::Close => return Poll::Ready(Ok(())),
            }
        }
        serving.as_mut().poll(cx)
    });
    if let Err(error) = served.await {
        debug!(error = %Causes(&*error), "the connection broke off");
    }
}
