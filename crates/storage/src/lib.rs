#![doc = include_str!("../README.md")]

mod address;
mod cause;
mod claims;
mod columns;
mod connector;
mod copying;
#[cfg(test)]
mod counted;
mod database;
pub mod deadlines;
mod error;
mod fitness;
mod leaving;
mod listing;
mod look;
mod migrations;
mod occupancy;
mod partitions;
mod parts;
mod password_guard;
mod readers;
mod reading;
mod refusal;
mod session;
mod statement;
mod statements;
mod store;
mod tls;
mod upkeep;
mod verification;
mod writing;

pub use cause::Cause;
pub use claims::{Claim, Kept};
pub use database::Database;
pub use error::Error;
pub use look::Look;
pub use occupancy::{Connections, Occupancy};
pub use reading::{Filter, Page};
pub use store::Store;
pub use tls::TlsParameters;
pub use upkeep::{Done, Rules, Upkeep};
pub use writing::Writer;
