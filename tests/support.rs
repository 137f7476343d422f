//! What the tests stand on: a PostgreSQL, a database for each test, the built program as a process, and its answers.

mod answer;
mod bare;
mod database;
mod faults;
mod load;
mod own_postgres;
mod postgres;
mod process;
mod record;
mod scrape;
mod service;
mod wire;

pub(crate) use answer::Answer;
pub(crate) use bare::{Bare, package};
pub(crate) use database::TestDatabase;
pub(crate) use faults::{eventually, measured, turn};
pub(crate) use load::{Ask, Load, Outcome, Told, unavailable};
pub(crate) use own_postgres::OwnPostgres;
pub(crate) use postgres::home;
pub(crate) use process::{cpu, descriptors, resident};
pub(crate) use record::{TableLock, check_record, count, end_sessions, lone_rows};
pub(crate) use scrape::Scrape;
pub(crate) use service::{Log, Service, flower, in_a_terminal, spawn, wrapped};
pub(crate) use wire::Wire;
