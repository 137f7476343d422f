//! `onrecord check`: everything that a start needs, tried without changing anything.

use std::fmt::{self, Display, Formatter};
use std::io::Write;
use std::net::TcpListener;

use anyhow::{Context, ensure};
use postmaster::Outlook;
use spool::Standing;
use storage::{SchemaState, Store};

use crate::database::{self, Located};
use crate::settings::Settings;
use crate::{exposure, keys, preparation, service, spool_place};

/// Tries it all, and says each thing in a line on standard output.
///
/// # Errors
///
/// Fails if something would keep the service from starting.
pub async fn check(settings: &Settings) -> anyhow::Result<()> {
    let mut report = Report::default();
    report.add("exposure", exposure::check(settings).map(|()| reach(settings)));
    report.add("address", address(settings));
    report.add("keys", keys_of(settings));
    report.add("certificate", certificate(settings));
    report.add("model", service::load_model(settings).map(|model| model.version().to_owned()));
    report.add("spool", spool(settings));
    database(settings, &mut report).await;
    write!(std::io::stdout(), "{report}")?;
    let wrong = report.0.iter().filter(|(_, found)| found.is_err()).count();
    ensure!(wrong == 0, "the service would not start: {wrong} of {} checks failed", report.0.len());
    Ok(())
}

/// The things that were tried, each with the finding.
#[derive(Default)]
struct Report(Vec<(&'static str, anyhow::Result<String>)>);

impl Report {
    fn add(&mut self, what: &'static str, found: anyhow::Result<String>) {
        self.0.push((what, found));
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (what, found) in &self.0 {
            match found {
                Ok(found) => writeln!(f, "ok      {what:<12} {found}")?,
                Err(error) => writeln!(f, "FAILED  {what:<12} {error:#}")?,
            }
        }
        Ok(())
    }
}

fn reach(settings: &Settings) -> String {
    let who = if settings.access.api_keys_file.is_some() { "who shows a key" } else { "everybody" };
    let from = if settings.listen.ip().to_canonical().is_loopback() {
        "this machine"
    } else {
        "the network"
    };
    format!("{who} from {from} is let in")
}

fn address(settings: &Settings) -> anyhow::Result<String> {
    let listen = settings.listen;
    match TcpListener::bind(listen) {
        Ok(_) => Ok(format!("{listen} is free")),
        Err(error) => Err(service::cannot_listen(listen, error.into())),
    }
}

fn keys_of(settings: &Settings) -> anyhow::Result<String> {
    let keyring = keys::open(&settings.access)?;
    Ok(keyring.map_or("none, so none are asked for".to_owned(), |keys| {
        format!("{} in the file", keys.len())
    }))
}

fn certificate(settings: &Settings) -> anyhow::Result<String> {
    let encryption = service::load_encryption(settings)?;
    Ok(encryption.map_or("none: HTTP", |_| "it can be used: HTTPS").to_owned())
}

fn spool(settings: &Settings) -> anyhow::Result<String> {
    let Some(directory) = &settings.spool_dir else {
        return Ok("none: predictions are refused while the database is away".to_owned());
    };
    let standing = spool::look(directory).context("the spool cannot be used")?;
    spool_place::check(settings, &settings.data_dir)?;
    let name = directory.display();
    Ok(match standing {
        Standing::There => format!("in {name}"),
        Standing::ToBeMade => format!("in {name}, which the start makes"),
    })
}

async fn database(settings: &Settings, report: &mut Report) {
    let located = match database::configured(settings) {
        Ok(Some(located)) => located,
        Ok(None) => {
            return report.add("database", private(settings));
        }
        Err(error) => return report.add("database", Err(error)),
    };
    let name = located.database.to_string();
    let reached = reach_database(&located).await;
    let is_reached = reached.is_ok();
    report.add("database", reached.map(|()| name));
    if is_reached {
        report.add("record", record(settings, located).await);
    }
}

fn private(settings: &Settings) -> anyhow::Result<String> {
    let found = postmaster::look(&database::private(settings));
    let Outlook { is_there, programs } = found.map_err(database::explained_private)?;
    let programs = programs
        .map_or("whose programs the start unpacks or fetches first".to_owned(), |major| {
            format!("run by PostgreSQL {major}")
        });
    let place = settings.data_dir.display();
    Ok(if is_there {
        format!("a private one in {place}, {programs}")
    } else {
        format!("a private one in {place}, which the start makes, {programs}")
    })
}

async fn reach_database(located: &Located) -> anyhow::Result<()> {
    let reached = Store::new(located.database.clone())?.wait_until_reachable().await;
    database::explained(reached, &located.database)
}

async fn record(settings: &Settings, mut located: Located) -> anyhow::Result<String> {
    let schema = preparation::find(settings, &mut located).await?;
    let upkeep = preparation::upkeep_of(settings, &located)?;
    let state = database::explained(upkeep.schema_state().await, &located.maintenance)?;
    preparation::can_be_brought_up_to_date(&state, &schema, &located)?;
    preparation::can_be_kept_up(settings, &state, &schema, &located)?;
    match state {
        SchemaState { version: None, .. } => {
            Ok(format!("there is none; the start begins one in the schema {schema}"))
        }
        SchemaState { version: Some(found), needed, .. } if found < needed => {
            Ok(format!("it has version {found}; the start brings it to version {needed}"))
        }
        SchemaState { version: Some(_), .. } => {
            let probe = preparation::store_in(&located)?.probe()?;
            database::explained(probe.look().await, &located.database)?;
            Ok(format!("it is in the schema {schema}, and can be written"))
        }
    }
}
