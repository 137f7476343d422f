//! A connection without encryption, on which no password is sent that could be read or cracked on the way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that breaks off as soon as the server asks for the password in clear or as an MD5 hash, so before the client
/// has answered. That is libpq's `require_auth=scram-sha-256,none`, which tokio-postgres does not know.
///
/// Once the server has let the client in, the stream only hands on.
#[derive(Debug)]
pub(crate) struct PasswordGuard<S> {
    stream: S,
    /// What the server has said so far, until it lets the client in.
    watched: Option<Watched>,
}

/// The place in the server's messages: each is a tag, four bytes of length without the tag, and the rest.
#[derive(Debug, Default)]
struct Watched {
    /// The beginning of the present message.
    head: [u8; AUTHENTICATION_HEAD],
    known: usize,
    /// How many bytes of it are still to be passed over.
    rest: usize,
}

/// The tag and the length.
const HEAD: usize = 5;

/// The same with the code that an authentication message begins with.
const AUTHENTICATION_HEAD: usize = 9;

impl<S> PasswordGuard<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, watched: Some(Watched::default()) }
    }
}

impl Watched {
    /// Reads on; whether the server has let the client in.
    fn read(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        while let Some((first, others)) = bytes.split_first() {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                self.rest -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            self.head[self.known] = *first;
            self.known += 1;
            bytes = others;
            if self.known >= HEAD && self.end_of_head()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at the head, once it is whole.
    fn end_of_head(&mut self) -> io::Result<bool> {
        let [tag, length @ .., c0, c1, c2, c3] = self.head;
        let length = u32::from_be_bytes(length) as usize;
        let of_authentication = tag == b'R';
        let head = if of_authentication { AUTHENTICATION_HEAD } else { HEAD };
        if self.known < head {
            return Ok(false);
        }
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "not a PostgreSQL server");
        // The length counts itself, but not the tag.
        self.rest = (length + 1).checked_sub(head).ok_or_else(malformed)?;
        self.known = 0;
        if !of_authentication {
            return Ok(false);
        }
        match u32::from_be_bytes([c0, c1, c2, c3]) {
            0 => Ok(true),
            3 => Err(refused("in clear text")),
            5 => Err(refused("as an MD5 hash")),
            _ => Ok(false),
        }
    }
}

fn refused(how: &str) -> io::Error {
    let words = format!(
        "the server asked for the password {how}, without TLS, and was not given it: \
         use sslmode=require or better, or scram-sha-256 on the server"
    );
    io::Error::new(io::ErrorKind::PermissionDenied, words)
}

impl<S: AsyncRead + Unpin> AsyncRead for PasswordGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if let Some(watched) = &mut self.watched {
            match watched.read(&buffer.filled()[before..]) {
                Ok(false) => {}
                Ok(true) => self.watched = None,
                Err(error) => {
                    buffer.set_filled(before);
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PasswordGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[tag][..], &length.to_be_bytes(), body].concat()
    }

    fn authentication(code: u32, more: &[u8]) -> Vec<u8> {
        message(b'R', &[&code.to_be_bytes(), more].concat())
    }

    /// Reads in pieces of every length; whether the client is let in in the end.
    #[track_caller]
    fn check(bytes: &[u8], expected: Option<bool>) {
        for piece in 1..=bytes.len() {
            let mut watched = Watched::default();
            let mut found = Ok(false);
            for bytes in bytes.chunks(piece) {
                if matches!(found, Ok(false)) {
                    found = watched.read(bytes);
                }
            }
            assert_eq!(found.ok(), expected, "{piece}");
        }
    }

    #[test]
    fn only_a_request_for_a_password_that_can_be_read_is_refused() {
        let notice = message(b'N', b"Mhow\0\0");
        let scram = [
            authentication(10, b"SCRAM-SHA-256\0\0"),
            authentication(11, b"r=1"),
            authentication(12, &[b'R', 0, 0, 0, 3]),
        ]
        .concat();
        let accepted = authentication(0, b"");
        check(&accepted, Some(true));
        check(&[&notice[..], &accepted].concat(), Some(true));
        check(&scram, Some(false));
        check(&[&scram[..], &accepted].concat(), Some(true));
        check(&message(b'E', b"Mno\0\0"), Some(false));
        // What comes afterwards may look like anything.
        check(&[&accepted[..], &authentication(3, b"")].concat(), Some(true));
        for refused in [authentication(3, b""), authentication(5, b"salt")] {
            check(&refused, None);
            check(&[&notice[..], &refused].concat(), None);
            check(&[&scram[..], &refused].concat(), None);
        }
        check(&[b'R', 0, 0, 0, 1, 0, 0, 0, 3], None);
        check(&[b'N', 0, 0, 0, 3], None);
    }
}
