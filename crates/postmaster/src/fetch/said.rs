//! What a package client has said, as far as it tells why it failed.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::debug;

use crate::Error;

/// How many of its last lines are remembered, and how long they may be.
const LINES: usize = 40;
const LINE: usize = 400;

/// The last lines of a client.
#[derive(Debug)]
pub(crate) struct Said {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: thread::JoinHandle<()>,
}

impl Said {
    /// Reads its output in the background.
    pub(crate) fn follow(output: Option<impl Read + Send + 'static>) -> Result<Self, Error> {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let theirs = Arc::clone(&lines);
        let follow = move || {
            let Some(output) = output else { return };
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            // A line without an end is read in pieces.
            while let Ok(1..) = (&mut output).take(4_096).read_until(b'\n', &mut line) {
                let text = String::from_utf8_lossy(&line);
                let text: String = words(&text).chars().take(LINE).collect();
                line.clear();
                if text.is_empty() {
                    continue;
                }
                debug!("the package client says: {text}");
                let mut lines = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push_back(text);
                if lines.len() > LINES {
                    lines.pop_front();
                }
            }
        };
        let reader = thread::Builder::new().name("client-log".to_owned()).spawn(follow);
        Ok(Self { lines, reader: reader.map_err(Error::Thread)? })
    }

    /// Its last line that says something; before it the last that names a cause, if that is another.
    pub(crate) fn last(&self) -> String {
        // What it said at its end is on its way; somebody who left the group may hold the pipe open.
        let deadline = Instant::now() + Duration::from_secs(1);
        while !self.reader.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        telling(lines.iter().map(String::as_str))
    }
}

/// A line with one space between its words, and without a full stop: a sentence of ours goes on behind it.
fn words(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    words.join(" ").trim_end_matches('.').to_owned()
}

fn telling<'a>(lines: impl DoubleEndedIterator<Item = &'a str> + Clone) -> String {
    const USELESS: [&str; 4] = ["A complete log", "npm notice", "[notice]", "_logs/"];
    const CAUSES: [&str; 7] = [
        "onnection",
        "timed out",
        "ertificate",
        "ENOTFOUND",
        "proxy",
        "Not Found - ",
        "DO NOT MATCH THE HASHES",
    ];
    let says = |line: &&str| !USELESS.iter().any(|useless| line.contains(useless));
    let last = lines.clone().rev().find(says);
    let named = lines.rev().find(|line| CAUSES.iter().any(|word| line.contains(word)));
    match (named.map(cause), last) {
        (Some(named), Some(last)) if named != last => format!("{named} … {last}"),
        (_, Some(last)) => last.to_owned(),
        (_, None) => "without a word".to_owned(),
    }
}

/// The cause in a line of pip's, which has Python's names of objects before it, and an address or advice behind.
fn cause(line: &str) -> &str {
    let line = line.rsplit_once(">: ").map_or(line, |(_, cause)| cause);
    let line = line.split_once("')'").map_or(line, |(cause, _)| cause);
    line.split_once(". If you").map_or(line, |(cause, _)| cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_into_a_sentence() {
        assert_eq!(words("      Got        12 or so.\n"), "Got 12 or so");
    }

    #[test]
    fn the_lines_that_tell_most_are_quoted() {
        let check = |lines: &[&str], expected: &str| {
            assert_eq!(telling(lines.iter().copied()), expected);
        };
        check(&[], "without a word");
        check(&["a", "b"], "b");
        check(&["ERROR: no", "npm notice", "A complete log is in x"], "ERROR: no");
        check(
            &["broken by 'E('<C at 0x7>: No connection: [Errno 1] No name')': /x", "ERROR: no"],
            "No connection: [Errno 1] No name … ERROR: no",
        );
        check(
            &["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES. If you have updated", "Got 12"],
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES … Got 12",
        );
    }
}
