//! The server's half of PostgreSQL's protocol, as far as it takes to lose the answer to a commit.

/// The messages of one connection, from the server to the client.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The beginning of a message whose rest is still to come.
    rest: Vec<u8>,
    /// Whether everything is held back until the server is ready again, and then lost.
    losing: bool,
}

impl Answers {
    /// Takes what the server says and gives what the client may hear, and whether the answer to a commit is lost now.
    ///
    /// `lose` is asked at each answer to a commit. The commit is over only when the server says that it is ready for the
    /// next query: until then, nothing is cut.
    pub(super) fn pass(&mut self, data: &[u8], lose: impl Fn() -> bool) -> (Vec<u8>, bool) {
        self.rest.extend_from_slice(data);
        let mut passes = Vec::with_capacity(self.rest.len());
        let mut start = 0;
        while let Some(length) = message(&self.rest[start..]) {
            let message = &self.rest[start..start + length];
            start += length;
            if commits(message) && !self.losing {
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

/// The length of the message that starts here, if it is all there.
fn message(data: &[u8]) -> Option<usize> {
    let length = data.get(1..5)?.try_into().ok().map(u32::from_be_bytes)?;
    let length = 1 + usize::try_from(length).ok()?;
    (data.len() >= length).then_some(length)
}

/// Whether this is the completion of a statement that wrote rows, or of `COMMIT`.
fn commits(message: &[u8]) -> bool {
    let tag = message.get(5..).unwrap_or_default();
    message.first() == Some(&b'C')
        && (tag.starts_with(b"COMMIT")
            || tag.starts_with(b"INSERT") && !tag.starts_with(b"INSERT 0 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(kind: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(4 + text.len()).unwrap().to_be_bytes();
        [&[kind], &length[..], text.as_bytes()].concat()
    }

    #[test]
    fn an_answer_is_lost_once_the_commit_is_over_however_it_is_cut() {
        let before = message_of(b'2', "");
        let data =
            [&before[..], &message_of(b'C', "INSERT 0 3\0"), &message_of(b'Z', "I")].concat();
        for cut in 0..data.len() {
            let mut answers = Answers::default();
            let (mut passed, lost) = answers.pass(&data[..cut], || true);
            assert!(!lost, "{cut}");
            let (rest, lost) = answers.pass(&data[cut..], || true);
            passed.extend(rest);
            assert!(lost);
            assert_eq!(passed, before, "{cut}");
        }
    }

    #[test]
    fn what_is_no_commit_passes() {
        for tag in ["SELECT 1\0", "INSERT 0 0\0", "SET\0", "COPY 3\0"] {
            let data = [message_of(b'C', tag), message_of(b'Z', "I")].concat();
            assert_eq!(Answers::default().pass(&data, || true), (data, false), "{tag}");
        }
    }
}
