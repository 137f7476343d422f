//! Every setting: its flag, its variable, its default.

mod encryption;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

pub use encryption::Encryption;

/// Serves predictions, each of them on the record in PostgreSQL before it is answered.
#[derive(Debug, Clone, Parser)]
#[command(name = "api", version, after_help = AFTER_HELP)]
pub struct Settings {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The address to answer on; port 0 takes a free one
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000", global = true)]
    pub listen: SocketAddr,

    /// How clients are spoken to.
    #[command(flatten)]
    pub encryption: Encryption,

    /// The database of the record, as postgresql://user:password@host:port/name
    ///
    /// Its sslmode goes up to verify-full, with sslrootcert=FILE or =system; what it does not say of TLS is taken from
    /// PGSSLMODE, PGSSLROOTCERT, PGSSLCERT and PGSSLKEY.
    ///
    /// Without it the variables PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE count; without those, a private
    /// PostgreSQL is created in the data directory and runs as long as the service does.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,

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

    /// For how many seconds the answer to a request with an Idempotency-Key is kept; default: a day
    #[arg(long, env = "IDEMPOTENCY_TTL", default_value = "86400", value_parser = seconds, global = true)]
    pub idempotency_ttl: Duration,

    /// A directory on this machine for predictions while PostgreSQL is away; without it they are refused then
    ///
    /// Such a prediction is flushed to this disk before the answer, which says so, and committed to PostgreSQL when that is
    /// back. Until then nobody sees it there, and it is lost if this disk is.
    #[arg(long, env = "SPOOL_DIR", global = true)]
    pub spool_dir: Option<PathBuf>,

    /// How many bytes of disk that may take
    ///
    /// A tenth of the file system stays free in any case, or as many bytes again, whichever is less.
    #[arg(long, env = "SPOOL_BYTES", default_value_t = spool::Limits::default().bytes, global = true)]
    pub spool_bytes: u64,

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

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=31_536_000) => Ok(Duration::from_secs(seconds)),
        _ => Err("must be whole seconds, from 1 to 31536000 (a year)".to_owned()),
    }
}

fn default_threads() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
}

const AFTER_HELP: &str = "\
Also read: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY (see
--database-url), and RUST_LOG, which says what is logged, for example RUST_LOG=warn (default: info). A request that fails leaves a line in the log; RUST_LOG=info,api=debug adds
one for each that succeeds, which costs a fifth of the throughput.";
