#![doc = include_str!("../README.md")]

mod admission;
mod authority;
mod contract;
#[cfg(test)]
mod counted;
mod database;
mod document;
mod endpoints;
mod exposure;
mod failure;
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
mod metrics;
mod operations;
mod predicted;
mod problem;
mod reaping;
mod request_id;
mod routes;
mod scalar;
mod schema;
mod server;
mod service;
mod settings;
mod shutdown;
mod stored;
mod strict;
mod telemetry;
mod terminal;
mod upkeep;

pub use document::Document;
pub use keys::key;
pub use service::{keep_up, migrate, serve};
pub use settings::{
    AccessSettings, Command, Encryption, KeyCommand, LogFormat, Pooler, RecordSettings, Settings,
};
pub use telemetry::init as init_telemetry;
