//! The service from outside: over HTTP and SQL, on a real PostgreSQL that the tests start themselves.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed expectation is a failed test"
)]

mod access;
mod architecture;
mod backup;
mod bad_inputs;
mod check;
mod compose;
mod contract;
mod crowd;
mod endings;
mod headers;
mod http;
mod http2;
mod idempotency;
mod killed;
mod korean;
mod laws;
mod ledger;
mod left_out;
mod libpq;
mod limits;
mod log;
mod loopback;
mod metrics;
mod one_record;
mod openapi;
mod outage;
mod pages;
mod partitions;
mod pooler;
mod predict;
mod predictions;
mod private_postgres;
mod private_refusals;
mod process_list;
mod programs;
mod readiness;
mod recording;
mod replica;
mod roles;
mod schema;
mod searches;
mod security;
mod settings_of_the_database;
mod shutdown;
mod slow_clients;
mod spool;
mod starting;
mod supervisor;
mod support;
mod tables;
mod terminal;
mod tls;
mod unfit;
