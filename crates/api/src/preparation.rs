//! The record before anything is served: found, and brought up to date.

use std::sync::Arc;

use anyhow::{bail, ensure};
use storage::{Schema, SchemaState, Store, Upkeep};
use tracing::{info, warn};

use crate::Settings;
use crate::database::{Located, explained};
use crate::upkeep::{self, LastPass};

/// The record, found in a database that can be reached, with tables that are up to date.
pub(crate) struct Prepared {
    pub(crate) store: Store,
    pub(crate) upkeep: Upkeep,
    pub(crate) kept_up: Arc<LastPass>,
}

/// Makes sure that the database can be reached, finds the record in it, and brings its tables up to date.
pub(crate) async fn prepare(
    settings: &Settings,
    located: &mut Located,
) -> anyhow::Result<Prepared> {
    let reached = Store::new(located.database.clone())?.wait_until_reachable().await;
    explained(reached, &located.database)?;
    let schema = find(settings, located).await?;
    let (store, upkeep) = (store_in(located)?, upkeep_of(settings, located)?);
    let state = explained(upkeep.schema_state().await, &located.maintenance)?;
    can_be_brought_up_to_date(&state, &schema, located)?;
    if let Err(reason) = can_be_kept_up(settings, &state, &schema, located) {
        warn!("{reason}");
    }
    let is_new = state.version.is_none();
    let applied = explained(upkeep.migrate().await, &located.maintenance)?;
    for migration in &applied {
        info!("applied migration {migration}");
    }
    if applied.is_empty() {
        info!("the schema is up to date");
    }
    explained(store.probe()?.look().await, &located.database)?;
    if is_new {
        info!("this is a new, empty record, in {}", located.place());
    } else if let Ok(size) = store.size().await {
        info!("the record holds {size}");
    }
    let kept_up = upkeep::first(&upkeep).await;
    Ok(Prepared { store, upkeep, kept_up })
}

/// Finds the schema of the record, and settles all sessions in it. Those who write and those who own the tables must mean the same
/// database.
pub(crate) async fn find(settings: &Settings, located: &mut Located) -> anyhow::Result<Schema> {
    if settings.record.maintenance_database_url.is_some() {
        let same = located.database.check_same(&located.maintenance).await;
        explained(same, &located.maintenance)?;
    }
    let schema = explained(Schema::find(&located.maintenance).await, &located.maintenance)?;
    located.settle_in(&schema);
    Ok(schema)
}

/// Fails if the tables are not there, or too old, and this user may not change that.
pub(crate) fn can_be_brought_up_to_date(
    state: &SchemaState,
    schema: &Schema,
    located: &Located,
) -> anyhow::Result<()> {
    let found = match state {
        SchemaState { may_change: true, .. } => return Ok(()),
        SchemaState { version: Some(found), needed, .. } if found >= needed => return Ok(()),
        SchemaState { version: Some(found), needed, .. } => {
            format!("the record has version {found} and this program needs version {needed}")
        }
        SchemaState { version: None, .. } => "there is no record yet".to_owned(),
    };
    let database = &located.maintenance;
    let (user, name) = (database.user().unwrap_or("USER"), database.name().unwrap_or("NAME"));
    bail!(
        "{found}, and the user {user} may not create tables in the schema {schema}. Run `onrecord migrate` once with DATABASE_URL \
         for a user who may, or name that user with --maintenance-database-url: it is the role onrecord_migrator where \
         deploy/sql/roles.sql made the roles. Or let an administrator run `alter database {name} owner to {user}`"
    )
}

/// Fails if a user is named for the maintenance who may not do it.
pub(crate) fn can_be_kept_up(
    settings: &Settings,
    state: &SchemaState,
    schema: &Schema,
    located: &Located,
) -> anyhow::Result<()> {
    ensure!(
        state.may_change || settings.record.maintenance_database_url.is_none(),
        "the user {} of MAINTENANCE_DATABASE_URL may not create tables in the schema {schema}, so nobody makes partitions and \
         deletes what is too old; name a user who may, such as onrecord_migrator",
        located.maintenance.user().unwrap_or_default()
    );
    Ok(())
}

pub(crate) fn store_in(located: &Located) -> anyhow::Result<Store> {
    let store = Store::new(located.database.clone())?;
    Ok(match &located.replica {
        Some(replica) => store.reading_from(replica)?,
        None => store,
    })
}

pub(crate) fn upkeep_of(settings: &Settings, located: &Located) -> anyhow::Result<Upkeep> {
    Ok(Upkeep::new(located.maintenance.clone(), settings.record.rules())?)
}
