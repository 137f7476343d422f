//! What the tests stand on: a PostgreSQL, a database for each test, and the built program as a process.

mod database;
mod postgres;
mod service;

pub(crate) use database::TestDatabase;
pub(crate) use service::{Service, flower};
