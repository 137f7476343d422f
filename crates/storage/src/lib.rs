#![doc = include_str!("../README.md")]

mod cause;
mod claims;
mod columns;
mod copying;
#[cfg(test)]
mod counted;
mod database;
pub mod deadlines;
mod error;
mod fitness;
mod migrations;
mod occupancy;
mod reading;
mod session;
mod size;
mod statements;
mod store;
mod writing;

pub use cause::Cause;
pub use claims::{Claim, Kept};
pub use database::Database;
pub use error::Error;
pub use occupancy::{Connections, Occupancy};
pub use reading::{Filter, Page};
pub use store::Store;
pub use writing::Writer;
