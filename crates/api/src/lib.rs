#![doc = include_str!("../README.md")]

mod admission;
mod authority;
mod contract;
#[cfg(test)]
mod counted;
mod database;
mod document;
mod endpoints;
mod failure;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod idempotency;
mod json;
mod log_budget;
mod metrics;
mod operations;
mod predicted;
mod problem;
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

pub use document::Document;
pub use service::{migrate, serve};
pub use settings::{Command, LogFormat, Settings};
pub use telemetry::init as init_telemetry;
