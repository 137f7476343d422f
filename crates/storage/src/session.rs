//! What every session with the database is told, and how long it may take.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Config, NoTls};

use crate::{Database, Error, deadlines};

/// The configuration of a session in which a statement may take this long; zero sets no limit.
///
/// The options are appended to those of the address and so win over them: whatever a user asks for, a commit
/// waits for the flush of the WAL. Plans are generic: each statement has one good plan, by the index on `id`, while a
/// plan made for a deep page may join the two tables from their newest row on.
pub(crate) fn configure(database: &Database, statement: Duration, lock: Duration) -> Config {
    let mut config = database.config.clone();
    let theirs = config.get_options().unwrap_or_default();
    let options = format!(
        "{theirs} -c synchronous_commit=on -c statement_timeout={} -c lock_timeout={} \
         -c idle_in_transaction_session_timeout=10000 -c client_min_messages=warning \
         -c plan_cache_mode=force_generic_plan",
        statement.as_millis(),
        lock.as_millis(),
    );
    config.options(options.trim_start());
    if config.get_application_name().is_none() {
        config.application_name("onrecord");
    }
    config.connect_timeout(deadlines::CONNECT);
    config.tcp_user_timeout(deadlines::START);
    config.keepalives_idle(Duration::from_secs(10));
    config
}

/// A pool of such sessions, at most `size` of them, made when they are needed.
pub(crate) fn pool(
    database: &Database,
    size: usize,
    statement: Duration,
    recycling_method: RecyclingMethod,
) -> Result<Pool, Error> {
    let config = configure(database, statement, statement);
    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method });
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(deadlines::CONNECT))
        .create_timeout(Some(deadlines::CONNECT))
        .recycle_timeout(Some(deadlines::CONNECT))
        .build()
        .map_err(|error| Error::Pool(error.into()))
}
