//! An error of tokio-postgres with words of our own: a pool takes none but its, and it has no other way to be made.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, Error, NoTls};

/// A stream that breaks with these words.
struct Broken(String);

impl Broken {
    fn error(&self) -> io::Error {
        io::Error::other(self.0.clone())
    }
}

/// The error of a connection that breaks with these words.
pub(crate) async fn of_words<T>(words: String) -> Result<T, Error> {
    let mut config = Config::new();
    config.user("").ssl_mode(SslMode::Disable);
    match config.connect_raw(Broken(words), NoTls).await {
        Err(error) => Err(error),
        // It has not said a word that could be taken for an answer.
        Ok(_) => std::future::pending().await,
    }
}

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(self.error()))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(self.error()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(self.error()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use crate::Cause;

    #[tokio::test]
    async fn its_words_are_said() {
        let error = super::of_words::<()>("nobody is there".to_owned()).await.unwrap_err();
        assert_eq!(
            Cause::from(error).to_string(),
            "error communicating with the server: nobody is there"
        );
    }
}
