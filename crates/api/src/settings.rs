//! Every setting: its flag, its variable, its default.

mod access;
mod encryption;
mod record;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub use self::access::{AccessSettings, KeyCommand};
pub use self::encryption::Encryption;
pub use self::record::{Pooler, RecordSettings};

/// Serves predictions, each of them on the record in PostgreSQL before it is answered.
#[derive(Debug, Clone, Parser)]
#[command(name = "onrecord", version, after_help = AFTER_HELP)]
pub struct Settings {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The address to answer on; port 0 takes a free one
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000", global = true)]
    pub listen: SocketAddr,

    /// Who may ask.
    #[command(flatten)]
    pub access: AccessSettings,

    /// How clients are spoken to.
    #[command(flatten)]
    pub encryption: Encryption,

    /// Where the record is, and for how long it is kept.
    #[command(flatten)]
    pub record: RecordSettings,

    /// The directory of the private PostgreSQL
    #[arg(long, env = "DATA_DIR", default_value = "data", global = true)]
    pub data_dir: PathBuf,

    /// The directory of PostgreSQL's programs `initdb` and `postgres`, if they are in no usual place
    #[arg(long, env = "PG_BIN", global = true)]
    pub pg_bin: Option<PathBuf>,

    /// The model, as a safetensors file; the weights built into the program if it is not given
    #[arg(long, env = "MODEL", global = true)]
    pub model: Option<PathBuf>,

    /// How many threads serve requests; the default is half of the cores, at least one
    ///
    /// PostgreSQL needs the other half if it runs on this machine. Then more threads serve no faster, but wait for each
    /// other: answers become less even.
    #[arg(long, env = "THREADS", default_value_t = default_threads(), global = true)]
    pub threads: NonZeroUsize,

    /// A directory on this machine for predictions while PostgreSQL is away; without it they are refused then
    ///
    /// They are in `onrecord-spool` in it, which nobody else may enter; the directory itself stays as it is.
    /// Such a prediction is flushed to this disk before the answer, which says so, and committed to PostgreSQL when that is
    /// back. Until then nobody sees it there, and it is lost if this disk is.
    #[arg(long, env = "SPOOL_DIR", global = true)]
    pub spool_dir: Option<PathBuf>,

    /// How many bytes of disk that may take
    ///
    /// A tenth of the file system stays free in any case, or as many bytes again, whichever is less.
    #[arg(long, env = "SPOOL_BYTES", default_value_t = spool::Limits::default().bytes, global = true)]
    pub spool_bytes: u64,

    /// For how many seconds to go on serving when asked to stop, while /health/ready says no
    ///
    /// So that whoever sends requests here notices, and sends them elsewhere: behind a proxy, longer than it takes to look
    /// twice. A second signal ends the wait.
    #[arg(long, env = "DRAIN_SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=3_600), global = true)]
    pub drain_seconds: u16,

    /// How log lines look; `pretty` on a terminal, else `json`
    #[arg(long, env = "LOG_FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
}

/// What the program can do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the service (the default)
    Serve,
    /// Bring the schema of the database up to date, and stop
    Migrate,
    /// Do what the record needs from time to time, and stop: migrate, make partitions, drop old ones, delete expired answers
    ///
    /// The service sees to it itself, unless its user may not.
    Upkeep,
    /// Make, list or revoke API keys
    Key {
        /// What to do.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Print the OpenAPI document
    Openapi {
        /// As YAML instead of JSON
        #[arg(long)]
        yaml: bool,
    },
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs: one JSON object per line.
    Json,
}

fn default_threads() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
}

const AFTER_HELP: &str = "\
Also read: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSERVICE and the other variables of libpq (see
--database-url), and RUST_LOG, which says what is logged, for example RUST_LOG=warn (default: info). A request that fails leaves a line in the log; RUST_LOG=info,api=debug adds
one for each that succeeds, which costs a fifth of the throughput. Libraries log at info at most: below, they write what was sent.";
