//! The recorder on a real PostgreSQL, without HTTP.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "../../../../tests/support/database.rs"]
mod database;
#[path = "../../../../tests/support/postgres.rs"]
mod postgres;

mod aside;
mod away;
mod once;
mod recording;
mod support;
