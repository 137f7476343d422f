//! What HTTP is spoken over: TCP as it is, or TLS on it.

use poem::http::uri::Scheme;
use poem::http::{HeaderMap, HeaderValue, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Has a browser come back by HTTPS only, for a year.
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// A stream that carries HTTP.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// What addresses begin with.
    fn scheme() -> Scheme;

    /// What it runs on.
    fn tcp(&self) -> &TcpStream;

    /// Adds what every answer has that comes this way.
    fn complete(headers: &mut HeaderMap);
}

impl Transport for TcpStream {
    fn scheme() -> Scheme {
        Scheme::HTTP
    }

    fn tcp(&self) -> &TcpStream {
        self
    }

    fn complete(_: &mut HeaderMap) {}
}

impl Transport for TlsStream<TcpStream> {
    fn scheme() -> Scheme {
        Scheme::HTTPS
    }

    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn complete(headers: &mut HeaderMap) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
    }
}
