#![doc = include_str!("../README.md")]

mod spool;

mod depth;
mod entry;
mod found;
mod limits;

mod command;
mod passing;
mod writer;

mod capacity;
mod database;
mod format;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

mod opening;

mod directory;
mod home;
mod lock;
mod look;
mod place;

mod salvage;

mod cells;
mod pages;
mod wal;

mod error;

pub use depth::Depth;
pub use entry::{Entry, EntryId};
pub use error::{Cause, Error};
pub use found::Found;
pub use limits::Limits;
pub use look::{Standing, look};
pub use spool::Spool;
