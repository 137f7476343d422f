//! The server's half of PostgreSQL's protocol, as far as it takes to lose the answer to a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::message::message;

/// The messages of one connection, from the server to the client.
#[derive(Debug)]
pub(super) struct Answers {
    /// The beginning of a message whose rest is still to come.
    rest: Vec<u8>,
    /// Whether anything has passed.
    begun: bool,
    /// Whether everything is held back until the server is ready again, and then lost.
    losing: bool,
    /// Whether the statement that is being executed writes.
    writes: Arc<AtomicBool>,
}

impl Answers {
    /// Sees here whether the statement that is being executed writes.
    pub(super) fn new(writes: Arc<AtomicBool>) -> Self {
        Self { rest: Vec::new(), begun: false, losing: false, writes }
    }

    /// Takes what the server says and gives what the client may hear, and whether the answer to a commit is lost now.
    ///
    /// `lose` is asked at each answer to a commit. The commit is over only when the server says that it is ready for the
    /// next query: until then, nothing is cut.
    pub(super) fn pass(&mut self, data: &[u8], lose: impl Fn() -> bool) -> (Vec<u8>, bool) {
        self.rest.extend_from_slice(data);
        let mut passes = Vec::with_capacity(self.rest.len());
        let mut start = 0;
        if !self.begun && self.rest.first() == Some(&NO_ENCRYPTION) {
            passes.push(NO_ENCRYPTION);
            start = 1;
        }
        self.begun |= !self.rest.is_empty();
        while let Some(length) = message(&self.rest[start..]) {
            let message = &self.rest[start..start + length];
            start += length;
            if !self.losing && commits(message, self.writes.load(Ordering::Relaxed)) {
                self.losing = lose();
            }
            if self.losing {
                if message.first() == Some(&b'Z') {
                    return (passes, true);
                }
            } else {
                passes.extend_from_slice(message);
            }
        }
        self.rest.drain(..start);
        (passes, false)
    }
}

/// What the server says first, without a length, if it is asked to encrypt and does not: the servers here do not.
const NO_ENCRYPTION: u8 = b'N';

/// Whether this is the completion of a statement that wrote rows, or of `COMMIT`. A statement that writes may end with a
/// `select`, as that with claims does.
fn commits(message: &[u8], writes: bool) -> bool {
    let tag = message.get(5..).unwrap_or_default();
    message.first() == Some(&b'C')
        && (tag.starts_with(b"COMMIT")
            || tag.starts_with(b"INSERT") && !tag.starts_with(b"INSERT 0 0")
            || tag.starts_with(b"SELECT") && writes)
}

#[cfg(test)]
mod tests {
    use super::super::message::message_of;
    use super::*;

    fn answers(writes: bool) -> Answers {
        Answers::new(Arc::new(AtomicBool::new(writes)))
    }

    #[test]
    fn an_answer_is_lost_once_the_commit_is_over_however_it_is_cut() {
        let before = message_of(b'2', b"");
        let end = message_of(b'Z', b"I");
        for tag in [&b"INSERT 0 3\0"[..], b"SELECT 0\0", b"COMMIT\0"] {
            let data = [&before[..], &message_of(b'C', tag), &end].concat();
            for cut in 0..data.len() {
                let mut answers = answers(true);
                let (mut passed, lost) = answers.pass(&data[..cut], || true);
                assert!(!lost, "{cut}");
                let (rest, lost) = answers.pass(&data[cut..], || true);
                passed.extend(rest);
                assert!(lost);
                assert_eq!(passed, before, "{cut}");
            }
        }
    }

    #[test]
    fn a_refusal_to_encrypt_passes_at_once_and_only_at_the_beginning() {
        let (mut answers, notice) = (answers(false), message_of(b'N', b"take notice"));
        assert_eq!(answers.pass(b"", || true), (Vec::new(), false));
        assert_eq!(answers.pass(b"N", || true), (b"N".to_vec(), false));
        assert_eq!(answers.pass(&notice[..4], || true), (Vec::new(), false));
        assert_eq!(answers.pass(&notice[4..], || true), (notice, false));
    }

    #[test]
    fn what_is_no_commit_passes() {
        for tag in [&b"SELECT 1\0"[..], b"INSERT 0 0\0", b"SET\0", b"COPY 3\0"] {
            let data = [message_of(b'C', tag), message_of(b'Z', b"I")].concat();
            assert_eq!(answers(false).pass(&data, || true), (data, false), "{tag:?}");
        }
    }
}
