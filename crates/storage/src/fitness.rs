//! Whether a database may keep the record: a commit there lasts, and this program may write what it has to.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::{Database, Error, migrations};

/// The conditions, each with the words for when it does not hold; the parameters are the schema's version that is needed,
/// whether the session has been told to wait for the flush of the WAL, and the schema that it has to find by itself.
///
/// Without `fsync` or `full_page_writes` a crash of the machine can take what was committed. A standby, or a server that
/// was made read-only, is found here before a write fails on it.
const MISFITS: &str = "
    select array_remove(array[
        case when current_setting('fsync') <> 'on' then 'fsync is off' end,
        case when current_setting('full_page_writes') <> 'on' then 'full_page_writes is off' end,
        case when $2 and current_setting('synchronous_commit') not in ('on', 'remote_apply')
             then 'synchronous_commit is ' || current_setting('synchronous_commit') end,
        case when pg_is_in_recovery() then 'it is a standby' end,
        case when current_setting('transaction_read_only') = 'on' then 'it is read-only' end,
        case when (select coalesce(max(version), 0) from refinery_schema_history) < $1
             then 'its schema is older than this program' end,
        case when not (has_table_privilege('raw_data', 'insert') and has_table_privilege('prediction', 'insert')
                       and has_table_privilege('prediction_log', 'select')
                       and has_table_privilege('idempotency_key', 'select')
                       and has_table_privilege('idempotency_key', 'insert'))
             then 'this user may not write the record' end,
        case when (select nspname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
                   where pg_class.oid = to_regclass('prediction')) <> $3
             then format('sessions of this user find other tables than those of the schema %I, which holds the record: '
                         'alter role %I set search_path = %I', $3, current_user, $3) end
    ], null)";

/// How a database is asked whether it may keep the record.
#[derive(Debug, Clone)]
pub(crate) struct Fitness {
    /// Whether sessions are told how to commit, which they are not behind a pooler.
    told: bool,
    /// The schema that sessions have to find by themselves.
    schema: Option<String>,
}

impl Fitness {
    pub(crate) fn of(database: &Database) -> Self {
        Self { told: !database.is_pooled(), schema: database.schema_to_find() }
    }

    /// Checks the database behind this session, in one round trip: a new connection has to be ready in time on a slow network
    /// too.
    pub(crate) async fn check(&self, session: &Client) -> Result<(), Error> {
        let version = migrations::version();
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&version, Type::INT4), (&self.told, Type::BOOL), (&self.schema, Type::TEXT)];
        let row = session.query_typed_one(MISFITS, &parameters).await;
        let misfits: Vec<String> = row.map_err(Error::query("look at the record"))?.get(0);
        if misfits.is_empty() { Ok(()) } else { Err(Error::Unfit { misfits: misfits.join(", ") }) }
    }
}
