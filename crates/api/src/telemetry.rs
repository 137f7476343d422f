//! Logging: to standard error, one line per event, panics included.

use std::fs::File;
use std::io::{self, IsTerminal, stderr};
use std::os::fd::AsFd;
use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tracing::{error, warn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, filter::FilterExt, fmt};

use crate::LogFormat;
use crate::log_filter::{self, LAST_WORDS};
use crate::log_writer::LogWriter;

/// How long the end of the program waits until its last lines are written.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// The log of this process.
static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// Whether the log is for people who look at a terminal, and want to see what becomes of each request.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// Whether every request leaves a line, and not only those that fail.
pub(crate) fn is_watched() -> bool {
    IS_WATCHED.load(Relaxed)
}

/// The log of this process; its last lines are written when this is dropped.
#[derive(Debug)]
pub struct Log(LogWriter);

/// Starts logging; without a format, `pretty` on a terminal and `json` elsewhere. `RUST_LOG` filters.
///
/// # Errors
///
/// Fails if the system gives no thread or no file descriptor, or the log was started before.
pub fn init(format: Option<LogFormat>) -> io::Result<Log> {
    let terminal = stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    IS_WATCHED.store(terminal && format == LogFormat::Pretty, Relaxed);
    // A descriptor of its own: standard error is locked while it is written to, and may be for ever.
    let writer = LogWriter::start(File::from(stderr().as_fd().try_clone_to_owned()?))?;
    let filter = std::env::var_os("RUST_LOG").map(|value| value.to_string_lossy().into_owned());
    let (filter, complaint) = log_filter::read(filter.as_deref());

    // A failure to log is counted, and not printed to where it just failed.
    let lines = fmt::layer::<Registry>().with_target(false).log_internal_errors(false);
    let lines = lines.with_writer(writer.clone());
    let lines = match format {
        LogFormat::Pretty => lines.with_ansi(terminal).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = lines.with_filter(filter.and(log_filter::bound()));
    let started = tracing_subscriber::registry().with(lines).try_init();
    started.map_err(|error: TryInitError| io::Error::other(error))?;
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        error!(location, "panicked: {}", panic.payload_as_str().unwrap_or("for an unknown reason"));
    }));
    if let Some(complaint) = complaint {
        warn!("{complaint}");
    }
    Ok(Log(WRITER.get_or_init(|| writer).clone()))
}

/// How many lines could not be written.
pub(crate) fn dropped_lines() -> u64 {
    WRITER.get().map_or(0, LogWriter::dropped)
}

impl Log {
    /// Says why the program ends, whatever `RUST_LOG` says.
    pub fn last_words(&self, error: &anyhow::Error) {
        // The alternate form is the error with its causes, on one line.
        error!(target: LAST_WORDS, "{error:#}");
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(LAST_FLUSH);
    }
}
