//! A stream that notes what passes through it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::progress::Progress;
use super::transport::Transport;

/// A connection's stream. If it is encrypted, what is noted is what stands in it.
#[derive(Debug)]
pub(super) struct Observed<S: Transport> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S: Transport> Observed<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }

    fn note(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(bytes)) => self.progress.took(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.progress.stuck(),
        }
    }
}

impl<S: Transport> Drop for Observed<S> {
    fn drop(&mut self) {
        // What a client does not take would stay in the system's memory, which waits for it longer than we do.
        if self.progress.stuck_since().is_some() {
            let _ = self.stream.tcp().set_zero_linger();
        }
    }
}

impl<S: Transport> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        match buf.filled().get(before..) {
            Some(bytes) if !bytes.is_empty() => self.progress.received(bytes),
            _ if read.is_pending() => self.progress.starved(),
            _ => {}
        }
        read
    }
}

impl<S: Transport> AsyncWrite for Observed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // What is written in the clear is sent; what is to be encrypted may still wait here.
        if flushed.is_ready() {
            self.progress.sent();
        } else {
            self.progress.stuck();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
