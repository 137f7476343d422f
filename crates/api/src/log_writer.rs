//! The way of a line into the log: into a bounded queue, from which a thread of its own writes it. The program never waits
//! for whoever reads its log.
//!
//! `tracing-appender` has such a thread too, but it does not count the lines whose writing fails, and prints to standard
//! error itself if its thread does not end in time.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// How many bytes of lines may wait to be written.
const ROOM: usize = 1 << 20;

/// The name of the thread that writes.
const THREAD: &str = "log";

/// Takes lines and lets them be written, or drops them where there is no room.
#[derive(Clone)]
pub(crate) struct LogWriter(Arc<Queue>);

#[derive(Default)]
struct Queue {
    lines: Mutex<Lines>,
    /// Signalled when there is something to write.
    filled: Condvar,
    /// Signalled when there is nothing to write any more.
    emptied: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Whether a line is being written.
    writing: bool,
    /// How many lines were dropped since the log last said so.
    untold: u64,
}

impl LogWriter {
    /// Starts the thread that writes to this.
    ///
    /// # Errors
    ///
    /// Fails if the system gives no thread.
    pub(crate) fn start(to: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            lines: Mutex::new(Lines { writing: true, ..Lines::default() }),
            ..Queue::default()
        });
        let own = Arc::clone(&queue);
        thread::Builder::new().name(THREAD.to_owned()).spawn(move || own.write_to(to))?;
        Ok(Self(queue))
    }

    /// How many lines were dropped: there was no room for them, or they could not be written.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Waits until every line is written or dropped, at most for this long.
    pub(crate) fn flush(&self, longest: Duration) {
        let lines = self.0.lock();
        let busy = |lines: &mut Lines| lines.writing || !lines.waiting.is_empty();
        drop(self.0.emptied.wait_timeout_while(lines, longest, busy));
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8]) {
        let mut lines = self.lock();
        // What the writing thread itself has to say is the sum of what was dropped.
        if lines.bytes + line.len() > ROOM && thread::current().name() != Some(THREAD) {
            self.drop_one(&mut lines);
            return;
        }
        lines.bytes += line.len();
        lines.waiting.push_back(line.to_vec());
        drop(lines);
        self.filled.notify_one();
    }

    fn drop_one(&self, lines: &mut Lines) {
        self.dropped.fetch_add(1, Relaxed);
        lines.untold += 1;
    }

    fn write_to(&self, mut to: impl Write) {
        loop {
            let line = self.next();
            let written = to.write_all(&line);
            let mut lines = self.lock();
            match written {
                Err(_) => self.drop_one(&mut lines),
                Ok(()) if lines.untold > 0 && lines.waiting.is_empty() => {
                    let untold = std::mem::take(&mut lines.untold);
                    drop(lines);
                    warn!("{untold} log lines could not be written");
                }
                Ok(()) => {}
            }
        }
    }

    /// Waits for the next line.
    fn next(&self) -> Vec<u8> {
        let mut lines = self.lock();
        loop {
            if let Some(line) = lines.waiting.pop_front() {
                lines.bytes -= line.len();
                lines.writing = true;
                return line;
            }
            lines.writing = false;
            self.emptied.notify_all();
            lines = self.filled.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// Takes one line each time, and never fails.
impl Write for &LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Instant;

    use super::*;

    /// Writes a line whenever it is let.
    struct Gate {
        let_through: Receiver<io::Result<()>>,
        written: Sender<String>,
    }

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.let_through.recv().unwrap_or_else(|_| Err(io::Error::other("closed")))?;
            self.written.send(String::from_utf8(line.to_vec()).unwrap()).unwrap();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (LogWriter, Sender<io::Result<()>>, Receiver<String>) {
        let (open, let_through) = channel();
        let (written, lines) = channel();
        (LogWriter::start(Gate { let_through, written }).unwrap(), open, lines)
    }

    fn write(log: &LogWriter, line: &str) {
        let mut line_of = log;
        line_of.write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn lines_come_out_in_order_and_a_flush_waits_for_them() {
        let (log, open, lines) = gated();
        for line in ["1", "2", "3"] {
            write(&log, line);
            open.send(Ok(())).unwrap();
        }
        log.flush(Duration::from_secs(60));
        assert_eq!(lines.try_iter().collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn a_stalled_reader_makes_nobody_wait_and_what_is_too_much_is_counted() {
        let (log, open, lines) = gated();
        let line = "x".repeat(ROOM / 4);
        for _ in 0..10 {
            write(&log, &line);
        }
        // One may be in the writer's hand.
        assert!((5..=6).contains(&log.dropped()), "{}", log.dropped());
        let asked = Instant::now();
        log.flush(Duration::from_millis(10));
        assert!(asked.elapsed() < Duration::from_secs(30));
        for _ in 0..5 {
            open.send(Ok(())).unwrap();
        }
        log.flush(Duration::from_secs(1));
        assert_eq!(lines.try_iter().count() as u64 + log.dropped(), 10);
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted_and_the_next_one_is_tried() {
        let (log, open, lines) = gated();
        write(&log, "lost");
        write(&log, "written");
        open.send(Err(io::Error::other("no space left"))).unwrap();
        open.send(Ok(())).unwrap();
        log.flush(Duration::from_secs(60));
        assert_eq!(lines.try_iter().collect::<Vec<_>>(), ["written"]);
        assert_eq!(log.dropped(), 1);
    }
}
