//! The way to the database: every connection is made here.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;

use deadpool_postgres::{ConfigConnectImpl, Connect};
use rustls::ClientConfig;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Makes connections, encrypted as their configuration says if there is something to encrypt them by.
#[derive(Clone, Default)]
pub(crate) struct Connector(Option<MakeRustlsConnect>);

impl Connector {
    pub(crate) fn new(tls: ClientConfig) -> Self {
        Self(Some(MakeRustlsConnect::new(tls)))
    }
}

impl Connect for Connector {
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let mut config = config.clone();
        let plain = ConfigConnectImpl { tls: NoTls };
        let Some(tls) = self.0.clone() else {
            return Box::pin(async move { plain.connect(&config).await });
        };
        let way = ConfigConnectImpl { tls };
        Box::pin(async move {
            let connected = way.connect(&config).await;
            match connected {
                Err(error) if config.get_ssl_mode() == SslMode::Prefer && may_be_tls(&error) => {
                    config.ssl_mode(SslMode::Disable);
                    plain.connect(&config).await
                }
                done => done,
            }
        })
    }
}

type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

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
