//! What the user of the database is, beyond what is needed of it.

use tokio_postgres::types::Type;

use crate::{Error, Store};

/// The user that the service works as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether it may do everything.
    pub is_superuser: bool,
    /// Whether it owns the tables of the record, so that it can change and remove records.
    pub owns_the_record: bool,
    /// The settings of its own sessions, as `name=value`, but for those that `deploy/sql/roles.sql` makes, and for the search
    /// path, as the schema of the record is found and kept.
    ///
    /// Every role may change its own settings, and no privilege takes that away.
    pub settings: Vec<String>,
}

/// What `deploy/sql/roles.sql` sets for the writer and the reader.
const OURS: [&str; 6] = [
    "synchronous_commit=on",
    "statement_timeout=1500ms",
    "lock_timeout=1200ms",
    "idle_in_transaction_session_timeout=10s",
    "plan_cache_mode=force_generic_plan",
    "default_transaction_read_only=off",
];

const ROLE: &str = "
    select rolname::text, rolsuper,
           coalesce((select pg_has_role(relowner, 'usage') from pg_class where oid = to_regclass('prediction')), false),
           array(select setting from pg_db_role_setting, unnest(setconfig) as setting
                 where setrole = pg_roles.oid and setting <> all($1) and setting !~ '^search_path='
                   and setdatabase in (0, (select oid from pg_database where datname = current_database()))
                 order by setting)
    from pg_roles where rolname = current_user";

impl Store {
    /// Looks at the user of the database.
    ///
    /// # Errors
    ///
    /// Fails if the database is away.
    pub async fn role(&self) -> Result<Role, Error> {
        let action = "look at the user of the database";
        let session = self.readers.session().await?;
        let ours = OURS.as_slice();
        let row = session.query_typed_one(ROLE, &[(&ours, Type::TEXT_ARRAY)]).await;
        let row = row.map_err(Error::query(action))?;
        Ok(Role {
            name: row.get(0),
            is_superuser: row.get(1),
            owns_the_record: row.get(2),
            settings: row.get(3),
        })
    }
}
