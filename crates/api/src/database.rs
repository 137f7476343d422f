//! Where the record's database comes from: a setting, or a private PostgreSQL.

use std::env;

use anyhow::{Context, anyhow, ensure};
use postmaster::{Postmaster, Stop};
use storage::{Database, Error, Schema, Variables};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::shutdown::Shutdown;
use crate::{Pooler, Settings, spool_place};

/// The database in use, and the private PostgreSQL if it is one.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) database: Database,
    /// The same, for the user who owns the tables.
    pub(crate) maintenance: Database,
    /// A replica to read from.
    pub(crate) replica: Option<Database>,
    pub(crate) private: Option<Postmaster>,
}

impl Located {
    /// Has every session find the record in this schema.
    pub(crate) fn settle_in(&mut self, schema: &Schema) {
        let databases = [&mut self.database, &mut self.maintenance];
        for database in databases.into_iter().chain(&mut self.replica) {
            *database = database.clone().in_schema(schema);
        }
    }

    /// The address of a private database as libraries take it; that of another is known to who gave it.
    fn url_of(private: &Postmaster) -> String {
        let socket = private.socket_dir().display().to_string();
        let host =
            percent_encoding::utf8_percent_encode(&socket, percent_encoding::NON_ALPHANUMERIC);
        let (user, name, port) = (private.user(), private.database(), private.port());
        format!("postgresql://{user}@/{name}?host={host}&port={port}")
    }

    /// The address of the database for libraries, if it is a private one.
    pub(crate) fn url(&self) -> Option<String> {
        self.private.as_ref().map(Self::url_of)
    }

    /// The place of the record: the directory of a private database, the address of another.
    pub(crate) fn place(&self) -> String {
        self.private.as_ref().map_or_else(
            || self.database.to_string(),
            |private| private.cluster_dir().display().to_string(),
        )
    }

    /// The connection parameters for a tool that cannot use a Unix socket, if a private database has a port for it.
    pub(crate) fn for_tools(&self) -> Option<String> {
        let private = self.private.as_ref()?;
        let loopback = private.loopback()?;
        Some(format!(
            "host {}, port {}, database {}, user {}, password in {}",
            loopback.address(),
            loopback.port(),
            private.database(),
            private.user(),
            loopback.password_file().display()
        ))
    }

    /// Whether that command may not be here: not every package of PostgreSQL holds it.
    pub(crate) fn lacks_psql(&self) -> bool {
        self.private.as_ref().is_some_and(|private| !private.has_psql())
    }

    /// A shell command that opens it.
    pub(crate) fn psql(&self) -> String {
        self.private.as_ref().map_or_else(|| self.database.psql(), Postmaster::psql)
    }
}

/// Takes the database that is configured; only if none is, starts a private one. Nothing, and nothing that was begun goes on,
/// if a stop is requested meanwhile.
pub(crate) async fn locate(
    settings: &Settings,
    shutdown: &mut Shutdown,
) -> anyhow::Result<Option<Located>> {
    let Configured { named, others, variables } = Configured::of(settings)?;
    if let Some(database) = named {
        if settings.pg_port.is_some() {
            warn!(
                "--pg-port does nothing, as it is for a private PostgreSQL, and a database is configured"
            );
        }
        return located(settings, database, others, None).map(Some);
    }
    let Some(postmaster) = start_private(settings, shutdown).await? else { return Ok(None) };
    let database = Database::at_socket(
        postmaster.socket_dir(),
        postmaster.port(),
        postmaster.user(),
        postmaster.database(),
        postmaster.runs_as(),
        &variables,
    )
    .context("the private PostgreSQL cannot be used")?;
    located(settings, database, others, Some(postmaster)).map(Some)
}

/// The database that is configured, if one is.
pub(crate) fn configured(settings: &Settings) -> anyhow::Result<Option<Located>> {
    let Configured { named, others, .. } = Configured::of(settings)?;
    named.map(|database| located(settings, database, others, None)).transpose()
}

/// The databases of the settings, read before anything is begun.
struct Configured {
    /// The one to write to.
    named: Option<Database>,
    others: Others,
    variables: Variables,
}

impl Configured {
    fn of(settings: &Settings) -> anyhow::Result<Self> {
        let variables = variables()?;
        let others = Others::of(settings, &variables)?;
        let named = match &settings.record.database_url {
            Some(url) => Some(from_url("DATABASE_URL", url, &variables)?),
            None => from_libpq_variables(&variables)?,
        };
        ensure!(
            named.is_some() || !settings.record.require_database,
            "nothing says where the database is, and --require-database forbids a private one; set DATABASE_URL, \
             DATABASE_URL_FILE, or PGHOST and the like"
        );
        Ok(Self { named, others, variables })
    }
}

fn variables() -> anyhow::Result<Variables> {
    let variables = Variables::read(|name| Some(env::var_os(name)?.to_string_lossy().into_owned()));
    variables.context("a variable of libpq is set that cannot be used")
}

/// The databases that are configured beside the one to write to.
struct Others {
    maintenance: Option<Database>,
    replica: Option<Database>,
}

impl Others {
    fn of(settings: &Settings, variables: &Variables) -> anyhow::Result<Self> {
        let record = &settings.record;
        let named = |variable: &str, url: &Option<String>| {
            url.as_ref().map(|url| from_url(variable, url, variables)).transpose()
        };
        Ok(Self {
            maintenance: named("MAINTENANCE_DATABASE_URL", &record.maintenance_database_url)?,
            replica: named("READ_DATABASE_URL", &record.read_database_url)?,
        })
    }
}

/// This database, with the others.
fn located(
    settings: &Settings,
    database: Database,
    others: Others,
    private: Option<Postmaster>,
) -> anyhow::Result<Located> {
    let Others { maintenance, replica } = others;
    let (database, replica) = match settings.record.database_pooler {
        Pooler::None => (database, replica),
        Pooler::Transaction => (database.behind_pooler(), replica.map(Database::behind_pooler)),
    };
    let maintenance = maintenance.unwrap_or_else(|| database.clone());
    ensure!(
        !maintenance.is_pooled(),
        "the database is behind a pooler; MAINTENANCE_DATABASE_URL must name the server itself"
    );
    Ok(Located { database, maintenance, replica, private })
}

/// The same result; a failure names the database, and the remedy if one is known.
pub(crate) fn explained<T>(found: Result<T, Error>, database: &Database) -> anyhow::Result<T> {
    found.map_err(|error| {
        let advice = error.advice(database);
        let error = anyhow::Error::from(error);
        with_advice(error.context(format!("the database cannot be used ({database})")), advice)
    })
}

/// The same error; the remedy comes last, behind what the system or the server said.
fn with_advice(error: anyhow::Error, advice: Option<String>) -> anyhow::Error {
    match advice {
        Some(advice) => anyhow!("{error:#}; {advice}"),
        None => error,
    }
}

/// The settings of the private PostgreSQL.
pub(crate) fn private(settings: &Settings) -> postmaster::Settings {
    postmaster::Settings {
        data_dir: settings.data_dir.clone(),
        programs: settings.pg_bin.clone(),
        archive: settings.pg_archive.clone(),
        may_download: !settings.no_download,
        port: settings.pg_port,
    }
}

/// The same failure of the private PostgreSQL, with the remedy if one is known.
pub(crate) fn explained_private(error: postmaster::Error) -> anyhow::Error {
    let advice = error.advice();
    with_advice(anyhow::Error::from(error).context("the private PostgreSQL cannot be used"), advice)
}

/// The private PostgreSQL, ready; nothing if a stop is requested before it is.
async fn start_private(
    settings: &Settings,
    shutdown: &mut Shutdown,
) -> anyhow::Result<Option<Postmaster>> {
    let private = private(settings);
    spool_place::check(settings, &private.cluster_dir())?;
    let stop = Stop::default();
    let theirs = stop.clone();
    let mut starting = spawn_blocking(move || Postmaster::start(&private, &theirs));
    let started = match shutdown.or(&mut starting).await {
        Ok(started) => started?.map(Some),
        Err(signal) => {
            info!("{signal}: the start of the private PostgreSQL is called off");
            stop.wish();
            match starting.await? {
                Ok(postmaster) => spawn_blocking(|| postmaster.stop()).await?.map(|()| None),
                Err(postmaster::Error::CalledOff) => Ok(None),
                Err(error) => Err(error),
            }
        }
    };
    let started = started.map_err(explained_private)?;
    // It may live elsewhere than it was looked for.
    let apart = started.as_ref().map(|private| spool_place::check(settings, private.cluster_dir()));
    if let Some(Err(refused)) = apart {
        spawn_blocking(|| drop(started)).await?;
        return Err(refused);
    }
    Ok(started)
}

fn from_url(variable: &str, url: &str, variables: &Variables) -> anyhow::Result<Database> {
    let database =
        Database::from_url(url, variables).with_context(|| format!("{variable} cannot be used"))?;
    warn_if_unverified(variable, &database);
    Ok(database)
}

/// Says if somebody on the way to it could read and change what is sent.
fn warn_if_unverified(variable: &str, database: &Database) {
    if database.is_unverified() {
        warn!(
            "the connection to the database of {variable} is not verified: whoever is on the way can read and change \
             what is sent; set sslmode=verify-full and sslrootcert"
        );
    }
}

/// The database that libpq's variables name, if any of them says where it is.
fn from_libpq_variables(variables: &Variables) -> anyhow::Result<Option<Database>> {
    let Some(place) = variables.place() else { return Ok(None) };
    let database = Database::from_variables(variables);
    let database = database.context("what PGHOST and the like name cannot be used")?;
    warn_if_unverified(place, &database);
    Ok(Some(database))
}
