//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Harms the service and its database under load, and holds a ledger of what was acknowledged against the record.
#[derive(Debug, Parser)]
#[command(name = "faults", version)]
pub(crate) struct Arguments {
    /// What to run; `all` if nothing is said
    #[command(subcommand)]
    pub(crate) command: Option<Task>,

    /// Where every random choice comes from; printed, and random by default
    #[arg(long, global = true)]
    pub(crate) seed: Option<u64>,

    /// The service to test; by default the program `onrecord` beside this one
    #[arg(long, global = true)]
    pub(crate) service: Option<PathBuf>,

    /// Where the report goes, as Markdown
    #[arg(long, global = true)]
    pub(crate) report: Option<PathBuf>,

    /// With CI=true, do not fail for what cannot be run here
    #[arg(long, global = true)]
    pub(crate) allow_skips: bool,
}

/// What can be run.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Task {
    /// Every row of the fault matrix, at full length
    All,
    /// Every row of the fault matrix, each bounded to seconds
    Quick,
    /// Some rows, by number or name
    Rows {
        /// `4` or `postgres-killed`
        #[arg(required = true)]
        names: Vec<String>,
        /// Bounded to seconds
        #[arg(long)]
        quick: bool,
    },
    /// The rows, with what each does
    List,
    /// Services that are broken on purpose: the harness must fail on each
    Controls {
        /// Only these; all by default
        names: Vec<String>,
    },
    /// Kills the service and PostgreSQL again and again, and writes the table
    Kills {
        /// How often each of the two
        #[arg(long, default_value_t = 200)]
        rounds: usize,
        /// Where the table goes
        #[arg(long, default_value = "faults/KILLS.md")]
        table: PathBuf,
    },
    /// Random faults for a while
    Soak {
        #[arg(long, default_value_t = 30)]
        minutes: u64,
    },
    /// Shows by strace that the WAL is flushed before each 200 leaves
    Order,
}
