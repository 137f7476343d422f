//! What every session with the database is told, and how long it may take.

use std::time::Duration;

use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Pool, PoolBuilder, RecyclingMethod, Runtime,
};
use domain::Causes;
use tokio::time::timeout;
use tokio_postgres::Config;

use crate::connector::Connected;
use crate::fitness::Fitness;
use crate::{Cause, Database, Error, deadlines, tables};

/// The settings that every session is given, as those of a role or a database could keep sessions from working, change the
/// meaning of a statement or the form of a value, or hide the good plan of a statement. The settings of a session win.
const OWN_SETTINGS: &[&str] = &[
    "default_transaction_isolation=read\\ committed",
    "default_transaction_deferrable=off",
    "idle_session_timeout=0",
    "exit_on_error=off",
    "local_preload_libraries=",
    "standard_conforming_strings=on",
    "transform_null_equals=off",
    "quote_all_identifiers=off",
    "array_nulls=on",
    "bytea_output=hex",
    "DateStyle=ISO",
    "IntervalStyle=postgres",
    "TimeZone=UTC",
    "extra_float_digits=1",
    "constraint_exclusion=partition",
    "enable_partition_pruning=on",
    "enable_bitmapscan=on",
    "enable_hashjoin=on",
    "enable_indexscan=on",
    "enable_material=on",
    "enable_nestloop=on",
    "enable_seqscan=on",
    "enable_sort=on",
    "jit=off",
];

/// Undoes that a role has made itself read-only. A server or a database that an administrator has made read-only stays so,
/// which no option of a connection could tell apart.
const WRITABLE: &str =
    "select set_config('default_transaction_read_only', 'off', false) from pg_settings
    where name = 'default_transaction_read_only' and source in ('user', 'database user')";

/// The configuration of a session in which a statement may take this long; zero sets no limit.
///
/// Behind a pooler a session is shared, so there is no use in telling it anything; what a role is set to holds
/// (`deploy/sql/roles.sql`), and a statement that writes says itself what its commit waits for.
///
/// The options are appended to those of the address and so win over them: whatever a user asks for, a commit
/// waits for the flush of the WAL. Plans are generic: each statement has one good plan, by the index on `id`, while a
/// plan made for a deep page may join the two tables from their newest row on.
pub(crate) fn configure(database: &Database, statement: Duration, lock: Duration) -> Config {
    let mut config = database.config.clone();
    if !database.is_pooled() {
        let theirs = config.get_options().unwrap_or_default();
        let options = format!(
            "{theirs} -c synchronous_commit=on -c statement_timeout={} -c lock_timeout={} \
             -c idle_in_transaction_session_timeout=10000 -c client_min_messages=warning \
             -c plan_cache_mode=force_generic_plan",
            statement.as_millis(),
            lock.as_millis(),
        );
        let own =
            OWN_SETTINGS.iter().map(|setting| (*setting).to_owned()).chain(database.search_path());
        let own: String = own.map(|setting| format!(" -c {setting}")).collect();
        config.options(format!("{options}{own}").trim_start());
    }
    if config.get_application_name().is_none() {
        config.application_name("onrecord");
    }
    config.connect_timeout(deadlines::CONNECT);
    // By the method: in the text of an address these are whole seconds here, but milliseconds in libpq.
    config.tcp_user_timeout(deadlines::START);
    config.keepalives_idle(Duration::from_secs(10));
    config.keepalives_interval(Duration::from_secs(3));
    config.keepalives_retries(3);
    config
}

/// Has plans go by the primary key, for those who read, also where a table was empty or had no statistics when its session
/// planned.
const BY_INDEX: &str = " -c enable_seqscan=off -c enable_bitmapscan=off";

/// Up to `size` sessions for reading a replica, which write nothing wherever the address may lead.
pub(crate) fn readers_of_replica(database: &Database, size: usize) -> Result<Pool, Error> {
    let also = format!("{BY_INDEX} -c default_transaction_read_only=on");
    readers_told(database, size, &also)
}

/// Up to `size` sessions for reading, made when they are needed.
pub(crate) fn readers(database: &Database, size: usize) -> Result<Pool, Error> {
    readers_told(database, size, BY_INDEX)
}

/// Sessions for reading that are told this too, unless they are behind a pooler.
fn readers_told(database: &Database, size: usize, also: &str) -> Result<Pool, Error> {
    let mut config = configure(database, deadlines::READ, deadlines::READ);
    if let Some(options) = config.get_options().filter(|_| !database.is_pooled()) {
        let options = format!("{options}{also}");
        config.options(options);
    }
    finish(pool_of(database, config, size).pre_recycle(answers()))
}

/// One session at a time for the upkeep: it may take long, and waits only a moment for a lock, because whoever wants to read
/// or write waits behind it.
pub(crate) fn upkeep(database: &Database) -> Result<Pool, Error> {
    let config = configure(database, Duration::ZERO, deadlines::UPKEEP_LOCK);
    finish(pool_of(database, config, 1).post_create(writable(database)).pre_recycle(answers()))
}

/// A session of its own, in no pool; connecting to it takes [`deadlines::START`] at most.
pub(crate) async fn single(
    database: &Database,
    statement: Duration,
    lock: Duration,
) -> Result<Connected, Error> {
    let config = configure(database, statement, lock);
    timeout(deadlines::START, database.connector.connect(&config))
        .await
        .map_err(|_elapsed| Error::TimedOut { action: "connect" })?
        .map_err(|error| Error::Unreachable(error.into()))
}

/// Ends such a session, which releases its locks.
pub(crate) async fn end((client, connection): Connected) {
    drop(client);
    if let Err(error) = connection.await {
        tracing::debug!(error = %Causes(&error), "the connection ended badly");
    }
}

/// One session that looks whether the database is fit to be written to.
pub(crate) fn probe(database: &Database) -> Result<Pool, Error> {
    finish(pool(database, 1, deadlines::READ).post_create(writable(database)))
}

/// Has a new session undo that its role has made itself read-only.
fn writable(database: &Database) -> Hook {
    let told = !database.is_pooled();
    Hook::async_fn(move |session, _metrics| {
        Box::pin(async move {
            let set = session.batch_execute(if told { WRITABLE } else { "" });
            set.await.map_err(HookError::Backend)
        })
    })
}

/// For how long a session that was in use is taken to work still: to ask each time would double the round trips.
const TRUSTED: Duration = Duration::from_secs(1);

/// Whether a session that was idle still answers: that of a frozen server is noticed before a statement hangs in it.
fn answers() -> Hook {
    Hook::async_fn(|session, metrics| {
        let idle = metrics.last_used() >= TRUSTED;
        Box::pin(async move {
            if idle {
                let answer = timeout(deadlines::CONNECT, session.simple_query("")).await;
                answer
                    .map_err(|_| HookError::message("it does not answer"))?
                    .map_err(HookError::Backend)?;
            }
            Ok(())
        })
    })
}

/// Has the process behind a session keep up to 2 MB of free memory; a batch needs a few hundred kilobytes.
///
/// Else glibc gives back what is free beyond 128 kB after each statement, and the next one asks for it again, page by page.
/// The threshold is twice the largest block that was allocated on its own and freed (`mallopt(3)`, `M_MMAP_THRESHOLD`).
const KEEP_MEMORY: &str = "select length(repeat(' ', 1 << 20))";

/// Up to `size` sessions for writing, made when they are needed, each in a database that is fit for it.
pub(crate) fn writers(database: &Database, size: usize) -> Result<Pool, Error> {
    let (told, fitness) = (!database.is_pooled(), Fitness::of(database));
    let fit = Hook::async_fn(move |session, _metrics| {
        let fitness = fitness.clone();
        Box::pin(async move {
            // Sent together, in this order: one round trip.
            let set = session.batch_execute(if told { WRITABLE } else { "" });
            let keep = session.batch_execute(KEEP_MEMORY);
            let (fit, fit_tables) = (fitness.check(session), tables::check(session));
            let (set, fit, tables, kept) = tokio::join!(biased; set, fit, fit_tables, keep);
            fit.and(tables).map_err(to_hook_error)?;
            set.and(kept).map_err(HookError::Backend)
        })
    });
    // The writer's own deadline covers a frozen server.
    finish(pool(database, size, deadlines::WRITE).post_create(fit))
}

fn to_hook_error(error: Error) -> HookError {
    HookError::message(match error {
        Error::Query { source, .. } => source.to_string(),
        other => other.to_string(),
    })
}

fn pool(database: &Database, size: usize, statement: Duration) -> PoolBuilder {
    pool_of(database, configure(database, statement, statement), size)
}

fn pool_of(database: &Database, config: Config, size: usize) -> PoolBuilder {
    let connector = database.connector.clone();
    let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_connect(config, connector, fast);
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(deadlines::CONNECT))
        .create_timeout(Some(deadlines::CONNECT))
        .recycle_timeout(Some(deadlines::CONNECT))
}

fn finish(builder: PoolBuilder) -> Result<Pool, Error> {
    builder.build().map_err(|error| Error::Pool(Cause::from(error)))
}
