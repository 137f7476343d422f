//! The rows of the fault matrix.

mod away;
mod bodies;
mod clock;
mod disks;
mod filler;
mod hosts;
pub(crate) mod killing;
mod majors;
mod migrations;
mod models;
mod network;
mod outage;
mod outsiders;
mod overload;
mod pages;
mod panics;
mod private;
mod refusing;
mod replicas;
mod restoring;
mod rolling;
mod sessions;
mod slow;
mod spool;
mod stopping;
mod tables;
mod upkeep;

use crate::row::{Need, Row, Running};
use crate::run::Run;

/// All of them, in order.
pub(crate) const ROWS: &[Row] = &[
    row(
        1,
        "service-killed",
        "kill -9 of the service at random moments under load, again and again",
        &[],
        |run| Box::pin(killing::service_killed(run)),
    ),
    row(
        2,
        "asked-to-stop",
        "SIGTERM with 50 requests under way: all of them are answered",
        &[],
        |run| Box::pin(stopping::asked_to_stop(run)),
    ),
    row(
        3,
        "clients-gone",
        "clients hang up after sending, with FIN, RST, or half a body",
        &[],
        |run| Box::pin(stopping::clients_gone(run)),
    ),
    row(
        4,
        "postgres-killed",
        "kill -9 of the postmaster, of one backend, and an immediate stop, under load",
        &[],
        |run| Box::pin(away::postgres_killed(run)),
    ),
    row(5, "postgres-restarted", "fast restarts, one after the other", &[], |run| {
        Box::pin(away::postgres_restarted(run))
    }),
    row(
        6,
        "sessions-ended",
        "pg_terminate_backend on a random session, ten times a second",
        &[],
        |run| Box::pin(sessions::terminated(run)),
    ),
    row(7, "postgres-frozen", "every process of PostgreSQL stopped for a while", &[], |run| {
        Box::pin(away::postgres_frozen(run))
    }),
    row(
        8,
        "black-hole",
        "packets to and from PostgreSQL vanish, by the kernel, then by the proxy",
        &[Need::Root, Need::Program("nft")],
        |run| Box::pin(network::black_hole(run)),
    ),
    row(
        9,
        "packets-lost",
        "of a hundred packets twenty are lost",
        &[Need::Root, Need::Program("nft")],
        |run| Box::pin(network::packets_lost(run)),
    ),
    row(10, "slow-network", "500 ms late; 10 kB/s; one byte at a time", &[], |run| {
        Box::pin(network::slow_network(run))
    }),
    row(11, "answers-lost", "the answers to commits never arrive", &[], |run| {
        Box::pin(network::answers_lost(run))
    }),
    row(
        12,
        "connections-reset",
        "every connection to PostgreSQL reset, ten times a second",
        &[],
        |run| Box::pin(sessions::reset(run)),
    ),
    row(13, "data-disk-full", "no space for PostgreSQL's tables", &[Need::Root], |run| {
        Box::pin(disks::data_disk_full(run))
    }),
    row(14, "wal-disk-full", "no space for PostgreSQL's WAL: it panics", &[Need::Root], |run| {
        Box::pin(disks::wal_disk_full(run))
    }),
    row(
        15,
        "flush-fails",
        "fdatasync of PostgreSQL fails with EIO now and then",
        &[Need::Program("strace")],
        |run| Box::pin(disks::flush_fails(run)),
    ),
    row(16, "table-locked", "an exclusive lock on the record", &[], |run| {
        Box::pin(away::table_locked(run))
    }),
    row(17, "no-connection-left", "others hold every connection of PostgreSQL", &[], |run| {
        Box::pin(refusing::too_many_connections(run))
    }),
    row(18, "read-only", "default_transaction_read_only, as on a standby", &[], |run| {
        Box::pin(away::read_only(run))
    }),
    row(
        19,
        "locked-out",
        "the password changed, a privilege revoked, a table renamed",
        &[],
        |run| Box::pin(refusing::locked_out(run)),
    ),
    row(20, "migrations-at-once", "four processes migrate at once", &[], |run| {
        Box::pin(migrations::at_once(run))
    }),
    row(21, "migration-half-way", "a migration is killed, or fails in the middle", &[], |run| {
        Box::pin(migrations::half_way(run))
    }),
    row(
        22,
        "migration-divergent",
        "the database has another version 1 than the program",
        &[],
        |run| Box::pin(migrations::divergent(run)),
    ),
    row(23, "overload", "ten times more requests than can be served", &[], |run| {
        Box::pin(overload::overload(run))
    }),
    row(
        24,
        "slow-headers",
        "a thousand clients whose headers never end",
        &[Need::Root, Need::Program("slowhttptest")],
        |run| Box::pin(slow::headers(run)),
    ),
    row(
        25,
        "slow-bodies",
        "a thousand whose bodies never end; a thousand who do not read",
        &[Need::Root, Need::Program("slowhttptest")],
        |run| Box::pin(slow::bodies(run)),
    ),
    row(26, "no-descriptor-left", "64 descriptors and 200 connections", &[], |run| {
        Box::pin(bodies::descriptors(run))
    }),
    row(27, "giant-body", "300 MB in chunks", &[], |run| Box::pin(bodies::giant_body(run))),
    row(28, "memory", "overload and giant bodies within 256 MB", &[], |run| {
        Box::pin(overload::memory(run))
    }),
    row(
        29,
        "panics",
        "a handler panics, or the model, in the middle of every other request",
        &[Need::FailPoints],
        |run| Box::pin(panics::panics(run)),
    ),
    row(
        30,
        "model-fails",
        "a model that overflows while it predicts: 500 and no record",
        &[],
        |run| Box::pin(models::failing(run)),
    ),
    row(31, "model-damaged", "model files with NaN, cut, with flipped bits", &[], |run| {
        Box::pin(models::damaged(run))
    }),
    row(
        33,
        "clock-jumps",
        "the clock of the service jumps by an hour and a day, both ways",
        &[Need::File(clock::FAKETIME)],
        |run| Box::pin(clock::clock_jumps(run)),
    ),
    row(
        34,
        "spool-disk-full",
        "the spool's disk is full, read-only, failing",
        &[Need::Spool, Need::Root, Need::Program("strace")],
        |run| Box::pin(spool::disk_full(run)),
    ),
    row(35, "spool-torn", "the end of the spool is torn off or damaged", &[Need::Spool], |run| {
        Box::pin(spool::torn(run))
    }),
    row(
        36,
        "killed-in-replay",
        "kill -9 while the spool is brought to the record",
        &[Need::Spool],
        |run| Box::pin(spool::killed_in_replay(run)),
    ),
    row(
        37,
        "same-key-twice",
        "two replicas get the same key at the same time",
        &[Need::Keys],
        |run| Box::pin(replicas::same_key(run)),
    ),
    row(
        40,
        "rolling-restart",
        "three replicas behind haproxy and PgBouncer, restarted one by one, and migrations meanwhile: no request fails",
        &[Need::Keys, Need::Program("haproxy"), Need::Program("pgbouncer")],
        |run| Box::pin(rolling::restarts(run)),
    ),
    row(
        41,
        "outsiders",
        "those without a key, and slow readers with one, hold what they can, within the smallest memory of deploy/",
        &[Need::Root],
        |run| Box::pin(outsiders::outsiders(run)),
    ),
    row(
        42,
        "rows-left-out",
        "triggers leave out half of the rows of one table, by turns",
        &[],
        |run| Box::pin(tables::left_out(run)),
    ),
    not_quick(row(
        43,
        "unlogged",
        "tables and partitions are made unlogged, under load and before a start",
        &[],
        |run| Box::pin(tables::unlogged(run)),
    )),
    not_quick(row(
        44,
        "other-schema",
        "a schema named like the user holds tables named like ours, under load and before a start",
        &[],
        |run| Box::pin(tables::other_schema(run)),
    )),
    not_quick(row(
        45,
        "years-ahead",
        "a clock is ahead by three years, at the start and while it runs",
        &[Need::File(clock::FAKETIME)],
        |run| Box::pin(clock::years_ahead(run)),
    )),
    not_quick(row(
        46,
        "backlog",
        "two million rows in no partition are worked off under load",
        &[],
        |run| Box::pin(upkeep::backlog(run)),
    )),
    not_quick(row(
        47,
        "restored",
        "the record is dumped and restored, whole and data only",
        &[],
        |run| Box::pin(restoring::restored(run)),
    )),
    not_quick(row(
        48,
        "majors",
        "each major version of PostgreSQL from 14 to 18 is killed under load; `python3 faults/majors.py` brings them",
        &[],
        |run| Box::pin(majors::served(run)),
    )),
    not_quick(row(
        49,
        "unanalyzed",
        "pages of three million rows, before and after ANALYZE, and rows that a filter rarely passes",
        &[],
        |run| Box::pin(pages::unanalyzed(run)),
    )),
    not_quick(row(
        50,
        "socket-gone",
        "the directory of the private PostgreSQL's socket is removed, and its sessions end",
        &[],
        |run| Box::pin(private::socket_gone(run)),
    )),
    not_quick(row(
        51,
        "silent-first-host",
        "the first of two hosts says nothing, at the start and from one moment on",
        &[],
        |run| Box::pin(hosts::silent_first(run)),
    )),
];

/// The same, but not in a quick run: it takes minutes, or shows what a test of the service shows too.
const fn not_quick(row: Row) -> Row {
    Row { quick: false, ..row }
}

const fn row(
    number: u8,
    name: &'static str,
    does: &'static str,
    needs: &'static [Need],
    run: fn(Run) -> Running,
) -> Row {
    Row { number, name, does, needs, quick: true, run }
}
