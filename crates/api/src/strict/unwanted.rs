//! The body of a request that nobody reads.

use poem::http::{Version, header};
use poem::{Body, Request};
use tokio::io::{AsyncReadExt, copy, sink};

use super::patience::Patience;

/// How much of it is thrown away before the answer is sent, in bytes.
pub(super) const LONGEST: u64 = 16 << 20;

/// A body that must be received all the same, so that the connection can go on.
///
/// Otherwise HTTP/1 closes it without a word: a client that still sends may never see the answer, and one that keeps the
/// connection loses its next request. HTTP/2 tells the client that the rest is not wanted.
#[derive(Debug)]
pub(crate) struct Unwanted(Option<Body>);

impl Unwanted {
    /// Takes the body of a request.
    pub(crate) fn of(request: &mut Request) -> Self {
        let body = request.take_body();
        Self::still(request, body)
    }

    /// The body of this request, which was taken already.
    pub(super) fn still(request: &Request, body: Body) -> Self {
        // A client that waits for a word before it sends, and is given another, does not send.
        let comes = !body.is_empty()
            && request.version() != Version::HTTP_2
            && request.header(header::EXPECT).is_none();
        Self(comes.then_some(body))
    }

    /// Whether there is nothing to wait for.
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// Receives it, as far as it comes; if it breaks off or takes too long, the connection ends.
    pub(crate) async fn throw_away(self) {
        let Some(body) = self.0 else { return };
        // The future is in a box: few requests have such a body, and it would make the future of every request larger.
        let receiving = Box::pin(async {
            let mut body = body.into_async_read().take(LONGEST);
            Patience::default().wait_for(copy(&mut body, &mut sink())).await
        });
        let _ = receiving.await;
    }
}
