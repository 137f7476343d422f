#![doc = include_str!("../README.md")]

mod batch;
mod error;
mod gathering;
mod ids;
mod job;
mod limits;
mod pace;
mod recorder;
mod writing;

pub use error::Error;
pub use limits::Limits;
pub use recorder::Recorder;
