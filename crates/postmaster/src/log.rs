//! PostgreSQL's log, line by line into ours.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, debug, trace, warn};

use crate::Error;

/// How many lines are kept to explain an early end.
const N_LAST: usize = 10;

/// The reader of one PostgreSQL's log.
#[derive(Debug)]
pub(crate) struct Log {
    last: Arc<Mutex<VecDeque<String>>>,
    end: Receiver<()>,
}

impl Log {
    /// Forwards `stream` from a thread, until its end: that is, until the last process writing to it is gone.
    pub(crate) fn follow(stream: impl Read + Send + 'static) -> Result<Self, Error> {
        let last = Arc::new(Mutex::new(VecDeque::with_capacity(N_LAST)));
        let (sender, end) = channel();
        let kept = Arc::clone(&last);
        thread::Builder::new()
            .name("postgres-log".to_owned())
            .spawn(move || {
                forward(stream, &kept);
                // Nobody may be waiting for it.
                let _ = sender.send(());
            })
            .map_err(Error::Thread)?;
        Ok(Self { last, end })
    }

    /// The last lines; of a PostgreSQL that has ended, so the end of the stream is near.
    pub(crate) fn last_lines(&self) -> String {
        // Children may linger and hold the stream open; its postmaster has long said why it ended.
        let _ = self.end.recv_timeout(Duration::from_millis(500));
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

fn forward(stream: impl Read, last: &Mutex<VecDeque<String>>) {
    let mut stream = BufReader::new(stream);
    let mut bytes = Vec::new();
    let mut level = Level::DEBUG;
    while stream.read_until(b'\n', &mut bytes).is_ok_and(|n_bytes| n_bytes > 0) {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end();
        // A tab continues the message before.
        if !line.starts_with('\t') {
            level = importance(line);
        }
        if level != Level::TRACE {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == N_LAST {
                last.pop_front();
            }
            last.push_back(line.to_owned());
        }
        match level {
            Level::WARN => warn!(target: "postgres", "{line}"),
            Level::DEBUG => debug!(target: "postgres", "{line}"),
            _ => trace!(target: "postgres", "{line}"),
        }
        bytes.clear();
    }
}

/// How much a line matters to us.
///
/// What a process that works for a client complains of, it also answers to that client, who knows
/// better what it means; and its words may quote a value. Text without the prefix comes from outside
/// PostgreSQL's own logging.
fn importance(line: &str) -> Level {
    let Some((process, message)) = line.strip_prefix('[').and_then(|line| line.split_once("] "))
    else {
        return Level::WARN;
    };
    let severity = message.split(':').next().unwrap_or_default();
    match severity {
        "PANIC" => Level::WARN,
        "LOG" => Level::DEBUG,
        _ if works_for_a_client(process) => Level::TRACE,
        "WARNING" | "ERROR" | "FATAL" => Level::WARN,
        _ => Level::DEBUG,
    }
}

fn works_for_a_client(process: &str) -> bool {
    process.ends_with("client backend") || matches!(process, "parallel worker" | "not initialized")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routine_is_quiet_and_trouble_is_not() {
        assert_eq!(importance("[postmaster] LOG:  database system is ready"), Level::DEBUG);
        assert_eq!(
            importance("[checkpointer] ERROR:  could not write: no space left"),
            Level::WARN
        );
        assert_eq!(importance("[postmaster] FATAL:  could not create lock file"), Level::WARN);
        assert_eq!(importance("postgres: could not find the database system"), Level::WARN);
    }

    #[test]
    fn what_a_client_was_told_is_not_told_again() {
        assert_eq!(importance("[client backend] ERROR:  invalid input: \"4.2\""), Level::TRACE);
        assert_eq!(importance("[parallel worker] ERROR:  invalid input: \"4.2\""), Level::TRACE);
        assert_eq!(importance("[client backend] STATEMENT:  select 4.2"), Level::TRACE);
        assert_eq!(importance("[client backend] FATAL:  terminating connection"), Level::TRACE);
        assert_eq!(importance("[client backend] PANIC:  could not write to log file"), Level::WARN);
    }

    #[test]
    fn the_last_lines_are_kept_without_those_of_clients() {
        let text = "[postmaster] LOG:  one\n[client backend] ERROR:  two\n\tstill two\n[postmaster] FATAL:  three\n\tmore\n";
        let log = Log::follow(text.as_bytes()).unwrap();
        assert_eq!(log.last_lines(), "[postmaster] LOG:  one\n[postmaster] FATAL:  three\n\tmore");
    }
}
