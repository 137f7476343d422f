#![doc = include_str!("../README.md")]

mod aside;
mod batch;
mod circuit;
mod error;
mod gathering;
mod ids;
mod job;
mod ledger;
mod limits;
mod observer;
mod once;
mod pace;
mod pressure;
mod recorded;
mod recorder;
mod settling;
mod stake;
mod throughput;
mod writing;

pub use error::Error;
pub use ledger::Tally;
pub use limits::Limits;
pub use observer::Observer;
pub use once::{Once, Render};
pub use recorded::{Recorded, Stored};
pub use recorder::Recorder;
