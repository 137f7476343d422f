#![doc = include_str!("../README.md")]

mod admission;
mod authority;
mod check;
mod clock;
mod compression;
mod contract;
mod cors;
#[cfg(test)]
mod counted;
mod database;
mod document;
mod endpoints;
mod exposure;
mod failure;
mod framing;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod headers;
mod idempotency;
mod json;
mod keys;
mod log_budget;
mod log_filter;
mod log_writer;
mod memory;
mod metrics;
mod moved;
mod names;
mod one_of;
mod operations;
mod page;
mod predicted;
mod preparation;
mod problem;
mod quotas;
mod readiness;
mod reaping;
mod request_id;
mod role;
mod routes;
mod scalar;
mod schema;
mod server;
mod service;
mod settings;
mod shares;
mod shutdown;
mod spool_place;
mod strict;
mod supervisor;
mod tasks;
mod telemetry;
mod terminal;
mod turns;
mod upkeep;
mod watchdog;

pub use check::check;
pub use document::Document;
pub use keys::key;
pub use service::{keep_up, migrate, serve};
pub use settings::{
    AccessSettings, Command, Encryption, Given, KeyCommand, LogFormat, Pooler, RecordSettings,
    Settings, write_completions, write_manual,
};
pub use telemetry::{Log, init as init_telemetry};
