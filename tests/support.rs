//! What the tests stand on: a PostgreSQL, a database for each test, the built program as a process, and its answers.

mod answer;
mod database;
mod postgres;
mod service;

pub(crate) use answer::Answer;
pub(crate) use database::TestDatabase;
pub(crate) use service::{Service, flower};
