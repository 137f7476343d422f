//! Bringing the schema up to date, one process at a time.

use std::time::Duration;

use crate::{Error, Upkeep, deadlines, session};

/// The files in `/migrations`, built into the binary.
mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The advisory lock that a migrating process holds: "onrecord" in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"onrecord");

/// The version of the schema that this program needs.
pub(crate) fn version() -> i32 {
    let migrations = embedded::migrations::runner();
    let versions = migrations.get_migrations().iter().map(refinery::Migration::version);
    versions.max().unwrap_or(0)
}

/// How far the schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaState {
    /// The version of the record; `None` if there is no record.
    pub version: Option<i32>,
    /// The version that this program needs.
    pub needed: i32,
    /// Whether this user may make tables where the record is.
    pub may_change: bool,
}

impl Upkeep {
    /// How far the schema is; nothing is changed.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached or refuses to say.
    pub async fn schema_state(&self) -> Result<SchemaState, Error> {
        const STATE: &str = "
            select coalesce(has_schema_privilege(current_schema(), 'create'), false),
                   to_regclass('refinery_schema_history') is not null";
        let session = session::single(self.database(), deadlines::READ, deadlines::READ).await?;
        let client = &session.0;
        let refused = Error::query("look at the schema");
        let state = async {
            let row = client.query_typed_one(STATE, &[]).await.map_err(refused)?;
            let found = if row.get(1) {
                Some(client.query_typed_one(VERSION, &[]).await.map_err(refused)?.get(0))
            } else {
                None
            };
            Ok(SchemaState { version: found, needed: version(), may_change: row.get(0) })
        }
        .await;
        session::end(session).await;
        state
    }

    /// Applies the migrations that the database does not have yet and says which.
    ///
    /// refinery takes no lock, so one is taken here, on the same connection: of several processes one migrates, and
    /// the others find nothing left to do. A schema that is newer than this program is left alone, so that an older
    /// service can start during a rolling upgrade; and a user who may not change an up-to-date schema need not.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached, if another process holds the lock longer than
    /// [`deadlines::MIGRATION_LOCK`], if an applied migration differs from its file, or if one fails; then the schema is as before that one.
    pub async fn migrate(&self) -> Result<Vec<String>, Error> {
        let mut session =
            session::single(self.database(), Duration::ZERO, deadlines::MIGRATION_LOCK).await?;
        let client = &mut session.0;
        let applied = async {
            if !may_migrate(client).await? {
                return Ok(Vec::new());
            }
            let action = "take the lock for migrating";
            client
                .execute("select pg_advisory_lock($1)", &[&LOCK])
                .await
                .map_err(Error::query(action))?;
            let report = embedded::migrations::runner()
                .set_abort_missing(false)
                .run_async(client)
                .await
                .map_err(|error| Error::Migration(error.into()))?;
            Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
        }
        .await;

        session::end(session).await;
        applied
    }
}

const VERSION: &str = "select coalesce(max(version), 0) from refinery_schema_history";

/// Whether there may be something to do for this user: the schema is older than this program, or this user could change it,
/// and so is asked to compare what was applied.
async fn may_migrate(client: &tokio_postgres::Client) -> Result<bool, Error> {
    const STATE: &str = "
        select coalesce(has_schema_privilege(current_schema(), 'create'), false)
               or to_regclass('refinery_schema_history') is null";
    let refused = Error::query("look at the schema");
    if client.query_typed_one(STATE, &[]).await.map_err(refused)?.get(0) {
        return Ok(true);
    }
    let found: i32 = client.query_typed_one(VERSION, &[]).await.map_err(refused)?.get(0);
    Ok(found < version())
}
