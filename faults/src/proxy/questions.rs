//! The client's half of PostgreSQL's protocol, as far as it takes to know whether what is executed writes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::message::message;

/// The messages of one connection, from the client to the server.
#[derive(Debug)]
pub(super) struct Questions {
    /// The beginning of a message whose rest is still to come.
    rest: Vec<u8>,
    /// Whether the first message, which is of no kind, has passed; to ask for encryption is no message yet.
    begun: bool,
    /// The names of the prepared statements that write, which the service says in small letters.
    writing: BTreeSet<Vec<u8>>,
    /// Whether the statement that was bound last is one of them.
    writes: Arc<AtomicBool>,
}

impl Questions {
    /// Shows here whether the statement that is being executed writes.
    pub(super) fn new(writes: Arc<AtomicBool>) -> Self {
        Self { rest: Vec::new(), begun: false, writing: BTreeSet::new(), writes }
    }

    /// Hears what the client says.
    pub(super) fn hear(&mut self, data: &[u8]) {
        self.rest.extend_from_slice(data);
        let mut said = std::mem::take(&mut self.rest);
        let mut start = 0;
        while let Some(length) =
            if self.begun { message(&said[start..]) } else { first(&said[start..]) }
        {
            let message = &said[start..start + length];
            if self.begun {
                self.understand(message);
            }
            self.begun |= message != ENCRYPTION;
            start += length;
        }
        self.rest = said.split_off(start);
    }

    fn understand(&mut self, message: &[u8]) {
        let mut words = message.get(5..).unwrap_or_default().split(|byte| *byte == 0);
        match (message.first(), words.next(), words.next()) {
            // Parse: the name of a statement, and the statement.
            (Some(b'P'), Some(name), Some(statement)) => {
                if statement.windows(b"insert into".len()).any(|words| words == b"insert into") {
                    self.writing.insert(name.to_vec());
                } else {
                    self.writing.remove(name);
                }
            }
            // Bind: the name of a portal, and that of a statement.
            (Some(b'B'), Some(_), Some(name)) => {
                self.writes.store(self.writing.contains(name), Ordering::Relaxed);
            }
            (Some(b'Q'), ..) => self.writes.store(false, Ordering::Relaxed),
            _ => {}
        }
    }
}

/// `SSLRequest`, by which a client asks the server to encrypt what follows.
const ENCRYPTION: [u8; 8] = *b"\0\0\0\x08\x04\xd2\x16\x2f";

/// The length of the first message, if it is all there: it has no kind in front.
fn first(data: &[u8]) -> Option<usize> {
    let length = data.first_chunk().map(|length| u32::from_be_bytes(*length))?;
    usize::try_from(length).ok().filter(|length| data.len() >= *length)
}

#[cfg(test)]
mod tests {
    use super::super::message::message_of;
    use super::*;

    #[test]
    fn it_is_known_which_statement_writes_however_the_messages_are_cut() {
        let said = [
            ENCRYPTION.to_vec(),
            b"\0\0\0\x08\0\x03\0\0".to_vec(),
            message_of(b'P', b"one\0with claim as (insert into x) select\0\0\0"),
            message_of(b'P', b"two\0select\0\0\0"),
            message_of(b'B', b"\0two\0rest"),
            message_of(b'B', b"\0one\0rest"),
        ]
        .concat();
        for cut in 0..=said.len() {
            let writes = Arc::new(AtomicBool::new(false));
            let mut questions = Questions::new(Arc::clone(&writes));
            questions.hear(&said[..cut]);
            questions.hear(&said[cut..]);
            assert!(writes.load(Ordering::Relaxed), "{cut}");
            questions.hear(&message_of(b'Q', b"insert into x\0"));
            assert!(!writes.load(Ordering::Relaxed), "its answer says that it wrote");
        }
    }

    #[test]
    fn a_name_that_is_given_anew_means_what_it_was_given_last() {
        let writes = Arc::new(AtomicBool::new(false));
        let mut questions = Questions::new(Arc::clone(&writes));
        questions.hear(b"\0\0\0\x08\0\x03\0\0");
        for (statement, expected) in [("insert into x", true), ("select", false)] {
            questions.hear(&message_of(b'P', format!("\0{statement}\0\0\0").as_bytes()));
            questions.hear(&message_of(b'B', b"\0\0rest"));
            assert_eq!(writes.load(Ordering::Relaxed), expected, "{statement}");
        }
    }
}
