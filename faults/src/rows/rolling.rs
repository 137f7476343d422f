//! Row 40: replicas behind haproxy and PgBouncer are restarted one after the other, and the schema changes meanwhile.

use std::path::PathBuf;

use tokio_postgres::Client as Session;

use crate::client::Client;
use crate::finding::{Allowed, Finding};
use crate::fleet::Fleet;
use crate::ledger::{Ledger, Outcome};
use crate::load::{Load, Mix};
use crate::postgres::Postgres;
use crate::run::Run;

/// How many clients there are.
const CLIENTS: usize = 16;

/// An earlier program, by which the replicas are started first: then its schema is brought up to date under load as well.
const BEFORE: &str = "ONRECORD_BEFORE";

/// No request may fail, and every acknowledged id must be on the record, once.
pub(super) async fn restarts(run: Run) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let home = run.scratch.join("postgres-rolling");
    let postgres = Postgres::create(&run.installation, &home, &[], None).await?;
    let before = std::env::var_os(BEFORE).map(PathBuf::from);
    let is_upgrade = before.is_some();
    let mut fleet = Fleet::start(&run, &postgres, before).await?;
    let ledger = Ledger::open(&run.scratch.join("ledger-rolling"))?;
    let client = Client::new(fleet.address(), ledger, None)?;
    let mix = Mix { keyed: Some((0.33, "rolling".to_owned())), ..Mix::ordinary() };
    let load = Load::closed(&client, CLIENTS, &mix, run.seed);
    load.acknowledged(200).await?;

    let database = postgres.connect().await?;
    let rounds = run.scaled(4, 1);
    for round in 0..rounds {
        for number in 0..fleet.replicas.len() {
            fleet.restart(number).await?;
            load.acknowledged(100).await?;
            if number == 0 {
                later_migration(&database, round).await?;
                load.acknowledged(100).await?;
            }
        }
    }
    finding.require(fleet.is_whole()?, || "not everything runs at the end".to_owned());
    load.finish().await?;

    let entries = client.ledger().entries();
    let failed = entries.iter().filter(|it| !matches!(it.outcome, Outcome::Acknowledged(..)));
    let failed = failed.count();
    finding.require(failed == 0, || format!("{failed} requests failed"));
    finding.told(&entries, Allowed::Answers);
    let verdict = crate::checker::check(&database, &entries).await?;
    finding.judged(verdict);
    let what = if is_upgrade { ", the first from an earlier version" } else { "" };
    finding.note(format!(
        "{rounds} times 3 replicas restarted{what}, {rounds} migrations meanwhile, {} requests, {failed} failed",
        entries.len()
    ));
    Ok(finding)
}

/// Changes the schema as a later version may, which the present one has to bear: it adds columns. The tables are locked in
/// the order in which everybody locks them (`migrations/README.md`).
async fn later_migration(database: &Session, round: usize) -> anyhow::Result<()> {
    let version = 1_000 + round;
    let migration = format!(
        "begin;
         set local lock_timeout = '1s';
         alter table prediction add column note_{round} text;
         alter table raw_data add column note_{round} text;
         insert into refinery_schema_history
             select {version}, 'a_later_one', applied_on, '0' from refinery_schema_history where version = 1;
         commit"
    );
    Ok(database.batch_execute(&migration).await?)
}
