//! The spool on a real file system, from outside.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod damage;
mod failing;
mod killed;
mod life;
mod limits;
mod places;
mod salvage;
mod support;
