//! One connection, served to its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Request, Response};
use tokio::net::TcpStream;
use tracing::debug;

use super::answer::Answer;
use super::observed::Observed;
use super::progress::{Progress, Told};

/// Serves one connection until it ends or is told to.
pub(super) async fn serve<E>(
    stream: TcpStream,
    peer: SocketAddr,
    endpoint: Arc<E>,
    protocol: Arc<auto::Builder<TokioExecutor>>,
    progress: Arc<Progress>,
) where
    E: Endpoint<Output = Response> + 'static,
{
    // An answer leaves when it is written.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "the connection was gone before it was served");
        return;
    }
    let stream = TokioIo::new(Observed::new(stream, Arc::clone(&progress)));
    let peer = RemoteAddr(Addr::SocketAddr(peer));
    let connection = Arc::clone(&progress);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let in_work = connection.request();
        let endpoint = Arc::clone(&endpoint);
        let request = Request::from((request, LocalAddr::default(), peer.clone(), Scheme::HTTP));
        async move {
            let response: hyper::Response<_> = endpoint.get_response(request).await.into();
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
        debug!(%error, "the connection broke off");
    }
}
