//! The way to the database: every connection is made here.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use deadpool_postgres::{ConfigConnectImpl, Connect};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::deadlines::CONNECT;
use crate::password_guard::PasswordGuard;
use crate::servers::{SILENT, Server, Servers};
use crate::wanted::Wanted;
use crate::{Cause, own_error, peer};

/// Makes connections to the first of the servers that answers, encrypted as their configuration says if there is something
/// to encrypt them by.
///
/// A clone shares what is known of the servers.
#[derive(Clone, Default)]
pub(crate) struct Connector {
    tls: Option<MakeRustlsConnect>,
    servers: Arc<Servers>,
}

impl Connector {
    pub(crate) fn new(servers: Servers, tls: Option<ClientConfig>) -> Self {
        Self { tls: tls.map(MakeRustlsConnect::new), servers: Arc::new(servers) }
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Tries one server after the other. They share the time of the configuration, so that one that is silent does not
    /// hide the next; the last has whatever time the caller has.
    async fn connect_to_any(&self, config: &Config) -> Result<Connected, Error> {
        let give_up = Instant::now() + config.get_connect_timeout().copied().unwrap_or(CONNECT);
        let servers = self.servers.in_order();
        let (mut spare, mut failures) = (None, Vec::new());
        for (tried, server) in servers.iter().enumerate() {
            // A server that is silent is not waited for if there is one to fall back on.
            if spare.is_some() && server.silent_since().is_some() {
                continue;
            }
            let left = servers.len() - tried + usize::from(spare.is_some());
            let attempt = self.connect_to(server, config);
            let share = give_up.saturating_duration_since(Instant::now()) / narrow(left);
            let share = share.max(LEAST);
            let made = if left == 1 { Ok(attempt.await) } else { timeout(share, attempt).await };
            let wanted = self.servers.wanted;
            let failure = match made {
                Ok(Ok((connected, true))) => {
                    server.answers();
                    return Ok(connected);
                }
                Ok(Ok((connected, false))) => {
                    spare = spare.or(Some(connected).filter(|_| wanted == Wanted::PreferStandby));
                    format!("it is not what target_session_attrs={} asks for", wanted.word())
                }
                Ok(Err(error)) if servers.len() == 1 => return Err(error),
                Ok(Err(error)) => Cause::from(error).to_string(),
                Err(_elapsed) => {
                    if server.is_silent() {
                        tracing::warn!(
                            "{server} does not answer; other hosts are tried first for {SILENT:?}"
                        );
                    }
                    format!("it did not answer within {share:.1?}")
                }
            };
            failures.push(format!("{server}: {failure}"));
        }
        match spare {
            Some(connected) => Ok(connected),
            None => own_error::of_words(failures.join("; ")).await,
        }
    }

    /// Connects to this server, and says whether it is of the kind that is wanted.
    async fn connect_to(
        &self,
        server: &Server,
        config: &Config,
    ) -> Result<(Connected, bool), Error> {
        let connected = self.open(server.configure(config)).await?;
        let wanted = self.servers.wanted.is_met(&connected.0).await?;
        Ok((connected, wanted))
    }

    /// Opens a connection to the one server of this configuration.
    async fn open(&self, mut config: Config) -> Result<Connected, Error> {
        // Whoever can see what goes through a Unix socket needs no password.
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            config.ssl_mode(SslMode::Disable);
            if let (Some(peer), Some(Host::Unix(directory))) =
                (self.servers.peer, config.get_hosts().first())
            {
                let port = config.get_ports().first().copied().unwrap_or_default();
                let socket = directory.join(format!(".s.PGSQL.{port}"));
                return peer::connect(&config, &socket, peer).await;
            }
            return ConfigConnectImpl { tls: NoTls }.connect(&config).await;
        }
        let mode = config.get_ssl_mode();
        let ways = Ways {
            tls: self.tls.clone().filter(|_| mode != SslMode::Disable),
            required: mode == SslMode::Require,
            direct: config.get_ssl_negotiation() == SslNegotiation::Direct,
        };
        // Tells tokio-postgres to hand over the stream as it is: what is agreed on is up to the way.
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
        let plain = Ways { tls: None, ..ways.clone() };
        match (ConfigConnectImpl { tls: ways }).connect(&config).await {
            Err(error) if mode == SslMode::Prefer && may_be_tls(&error) => {
                ConfigConnectImpl { tls: plain }.connect(&config).await
            }
            done => done,
        }
    }
}

impl Connect for Connector {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let config = config.clone();
        Box::pin(async move { self.connect_to_any(&config).await })
    }
}

/// Every server is given this long, however many there are.
const LEAST: Duration = Duration::from_millis(100);

/// A number of servers, by which a time is divided.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(crate) type Connected = (Client, JoinHandle<()>);

type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Connected, Error>> + Send + 'a>>;

/// Whether a connection may have failed because it was encrypted: the two sides did not come to terms, or the server
/// expects it otherwise. Then libpq tries again without, if TLS was only preferred.
fn may_be_tls(error: &Error) -> bool {
    use io::ErrorKind::{ConnectionReset, InvalidData, InvalidInput, UnexpectedEof};
    if let Some(state) = error.code() {
        return *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
    }
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| {
        matches!(cause.kind(), ConnectionReset | InvalidData | InvalidInput | UnexpectedEof)
    })
}

/// The ways in which a stream may become a connection.
#[derive(Clone)]
struct Ways {
    tls: Option<MakeRustlsConnect>,
    required: bool,
    /// Whether the server expects TLS without having been asked for it.
    direct: bool,
}

/// The ways to one server.
struct WaysTo<T> {
    tls: Option<T>,
    required: bool,
    direct: bool,
}

type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// A connection on its way.
enum Way {
    Encrypted(Box<Encrypted>),
    Plain(PasswordGuard<Socket>),
}

impl MakeTlsConnect<Socket> for Ways {
    type Stream = Way;
    type TlsConnect = WaysTo<<MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect>;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Self::TlsConnect> {
        let tls =
            self.tls.as_mut().map(|tls| MakeTlsConnect::<Socket>::make_tls_connect(tls, host));
        let Ok(tls) = tls.transpose();
        Ok(WaysTo { tls, required: self.required, direct: self.direct })
    }
}

impl<T> TlsConnect<Socket> for WaysTo<T>
where
    T: TlsConnect<Socket, Stream = Encrypted, Error = io::Error, Future: Send> + Send + 'static,
{
    type Stream = Way;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Way>> + Send>>;

    fn connect(self, mut stream: Socket) -> Self::Future {
        Box::pin(async move {
            let Self { tls: Some(tls), required, direct } = self else {
                return Ok(Way::Plain(PasswordGuard::new(stream)));
            };
            if direct || speaks_tls(&mut stream).await? {
                return Ok(Way::Encrypted(Box::new(tls.connect(stream).await?)));
            }
            if required {
                return Err(io::Error::other("server does not support TLS"));
            }
            Ok(Way::Plain(PasswordGuard::new(stream)))
        })
    }
}

/// Asks the server whether it speaks TLS.
async fn speaks_tls(stream: &mut Socket) -> io::Result<bool> {
    /// Its own length, and the code.
    const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    stream.write_all(&REQUEST).await?;
    match stream.read_u8().await? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the server does not know of TLS")),
    }
}

impl AsyncRead for Way {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Way {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl TlsStream for Way {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Self::Encrypted(stream) => stream.channel_binding(),
            Self::Plain(_) => ChannelBinding::none(),
        }
    }
}
