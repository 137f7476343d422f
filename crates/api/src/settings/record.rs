//! Where the record is, who may do what with it, and for how long it is kept.

use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use storage::Rules;

use super::{DATABASE, RECORD, quantity};

/// The settings of the record.
#[derive(Debug, Clone, Args)]
pub struct RecordSettings {
    /// The database of the record, as postgresql://user:password@host:port/name
    ///
    /// It is read as psql reads it: it may name several hosts or a service, its sslmode goes up to verify-full, with
    /// sslrootcert=FILE or =system, and the variables PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE and so on say
    /// what it leaves out (deploy/libpq.md has all of them). Its user needs no more than to insert and to select, if --maintenance-database-url names one who may do more. Without it
    /// those variables name the database; without those that say where it is, a private PostgreSQL is created
    /// in the data directory and runs as long as the service does. As a flag it can be seen by everybody on this machine; as a
    /// variable it cannot.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true, value_name = "URL", help_heading = DATABASE)]
    pub database_url: Option<String>,

    /// The same database for whoever owns the tables: to migrate, to make and drop partitions, to delete expired answers
    ///
    /// Without it the user of --database-url does that, or, if that one may not, somebody else has to: another copy of the
    /// service, or `onrecord upkeep` now and again. It must lead to the server itself, past any pooler.
    #[arg(long, env = "MAINTENANCE_DATABASE_URL", hide_env_values = true, global = true, value_name = "URL", help_heading = DATABASE)]
    pub maintenance_database_url: Option<String>,

    /// A replica of the database, to read the record from
    ///
    /// It is a moment behind. A record that is not there yet, and everything while it does not answer, is read from
    /// --database-url.
    #[arg(long, env = "READ_DATABASE_URL", hide_env_values = true, global = true, value_name = "URL", help_heading = DATABASE)]
    pub read_database_url: Option<String>,

    /// What is between this service and its databases: `transaction` for PgBouncer and the like in transaction mode
    #[arg(long, env = "DATABASE_POOLER", default_value = "none", global = true, help_heading = DATABASE)]
    pub database_pooler: Pooler,

    /// Do not start a private PostgreSQL: fail if nothing says where the database is
    #[arg(long, env = "REQUIRE_DATABASE", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = BoolishValueParser::new(), global = true, value_name = "BOOLEAN", help_heading = DATABASE)]
    pub require_database: bool,

    /// For how many days a record is kept; without it, for ever
    ///
    /// Old records leave a partition at a time, so some stay longer by up to a thirtieth of that, or by a day. From a partition
    /// that spans more time, as this setting is new or was larger, they are deleted row by row. The room of a partition on the
    /// disk is free again some minutes later, as it is removed a piece at a time.
    #[arg(long, env = "RETAIN_DAYS", value_parser = quantity::days, global = true, value_name = "DAYS", help_heading = RECORD)]
    pub retain_days: Option<u16>,

    /// For how long the answer to a request with an Idempotency-Key is kept at least; in seconds, or as 12h or 1d
    ///
    /// Some seconds later it is deleted, and the key is free.
    #[arg(long, env = "IDEMPOTENCY_TTL", default_value = "1d", value_parser = quantity::some_time, global = true, value_name = "TIME", help_heading = RECORD)]
    pub idempotency_ttl: Duration,

    /// How much of answers to requests with an Idempotency-Key is kept for each caller, as 16GiB or a number of bytes
    ///
    /// Counted by each service for itself, as some 350 bytes for each row, at least 1 KiB for each request. Beyond that such
    /// requests are refused (429) until older answers are deleted.
    #[arg(long, env = "IDEMPOTENCY_BYTES", default_value = "16GiB", value_parser = quantity::bytes, global = true, value_name = "SIZE", help_heading = RECORD)]
    pub idempotency_bytes: u64,
}

/// What is between the service and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pooler {
    /// Nothing, or something that gives each of its clients a session.
    None,
    /// Something that gives each transaction another session.
    Transaction,
}

impl RecordSettings {
    pub(crate) fn rules(&self) -> Rules {
        Rules { retain_days: self.retain_days, answers_kept: self.idempotency_ttl }
    }
}
