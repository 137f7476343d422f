//! Logging: to standard error, one line per event, panics included.

use std::io::{IsTerminal, stderr};
use std::panic;

use tracing::error;
use tracing_subscriber::EnvFilter;

use crate::LogFormat;

/// What is logged if `RUST_LOG` says nothing: what the service says itself about what its libraries do.
const DEFAULT: &str = "info,poem=warn,refinery_core=warn";

/// Starts logging; without a format, `pretty` on a terminal and `json` elsewhere. `RUST_LOG` filters.
pub fn init(format: Option<LogFormat>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let terminal = stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_target(false)
        .log_internal_errors(false);
    match format {
        LogFormat::Pretty => builder.with_ansi(terminal).init(),
        LogFormat::Json => builder.json().init(),
    }
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        error!(location, "panicked: {}", panic.payload_as_str().unwrap_or("for an unknown reason"));
    }));
}
