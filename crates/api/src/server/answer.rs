//! The body of an answer, whose memory is accounted for until its client has taken it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::progress::{Progress, Unsent};

/// How long an answer is that is not worth counting, in bytes: longer than that of one row.
const SHORT: u64 = 1 << 10;

/// A body, and the account of it.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    unsent: Option<Unsent>,
}

impl<B: Body> Answer<B> {
    pub(super) fn new(body: B, connection: &Arc<Progress>) -> Self {
        let length = body.size_hint().exact().filter(|length| *length > SHORT);
        let length = length.and_then(|length| usize::try_from(length).ok());
        Self { unsent: length.map(|length| connection.unsent(length)), body }
    }
}

impl<B: Body<Data = Bytes, Error = io::Error> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // All of ours come in one frame, which then carries the account.
        match frame {
            Poll::Ready(Some(Ok(frame))) => {
                let unsent = self.unsent.take();
                Poll::Ready(Some(Ok(frame.map_data(|data| counted(data, unsent)))))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// These bytes, accounted for until nobody holds them; a page that is always the same takes no memory of its own.
fn counted(data: Bytes, unsent: Option<Unsent>) -> Bytes {
    match unsent {
        Some(unsent) if data.is_unique() => Bytes::from_owner(Counted { data, _unsent: unsent }),
        _ => data,
    }
}

/// Bytes that are accounted for as long as anybody holds them.
struct Counted {
    data: Bytes,
    _unsent: Unsent,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}
