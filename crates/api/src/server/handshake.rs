//! The beginning of an encrypted connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use domain::Causes;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::progress::{Progress, Told};

/// Shakes hands, unless the client does not speak TLS, takes too long, or the server stops: nothing has been asked yet, so
/// whatever the connection is told ends it.
pub(super) async fn shake_hands(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    progress: &Progress,
) -> Option<TlsStream<TcpStream>> {
    progress.shaking_hands();
    let mut shaking = pin!(TlsAcceptor::from(config).accept(stream));
    let shaken = poll_fn(|cx| {
        progress.listen(cx);
        if progress.told() != Told::Nothing {
            return Poll::Ready(None);
        }
        shaking.as_mut().poll(cx).map(Some)
    });
    match shaken.await? {
        Ok(stream) => {
            progress.shaken_hands();
            Some(stream)
        }
        Err(error) => {
            debug!(error = %Causes(&error), "a client did not come to terms on TLS");
            None
        }
    }
}
