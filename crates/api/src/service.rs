//! The composition root: puts the service together, runs it, and takes it apart.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use access::Keyring;
use anyhow::{Context, anyhow, bail};
use inference::Model;
use recorder::{Limits, Recorder, Tally};
use spool::Spool;
use storage::Upkeep;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::contract::Contract;
use crate::cors::Cors;
use crate::database::{self, Located};
use crate::endpoints::Endpoints;
use crate::guard::Guard;
use crate::memory::Memory;
use crate::metrics::{Metrics, RecordLooks, Recording, Sources};
use crate::names::Names;
use crate::preparation::{self, Prepared};
use crate::quotas::Quotas;
use crate::readiness::Readiness;
use crate::routes::{PAGES, routes};
use crate::server::{self, Encryption, Server};
use crate::shutdown::Shutdown;
use crate::strict::Room;
use crate::supervisor::Supervisor;
use crate::tasks::Tasks;
use crate::turns::Turns;
use crate::upkeep;
use crate::{Document, Settings, clock, exposure, keys, reaping, role, watchdog};

/// How long requests in flight may take once the service is asked to stop; more than the longest of them needs.
const GRACE: Duration = Duration::from_secs(5);

/// For how long the writing of what is in doubt is tried after that.
const GRACE_IN_DOUBT: Duration = Duration::from_secs(2);

/// Runs the service until it is asked to stop.
///
/// # Errors
///
/// Fails if it could be reached from elsewhere without keys, the keys or the model does not fit, the database cannot be used, or the address cannot be bound.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let mut shutdown = Shutdown::listen()?;
    // It ends with this function.
    let mut strays = JoinSet::new();
    strays.spawn(reaping::reap());
    exposure::check(&settings)?;
    let keyring = keys::open(&settings.access)?;
    let model = Arc::new(load_model(&settings)?);
    let document = Document::generate()?;
    let encryption = load_encryption(&settings)?;
    let memory = Memory::of_this_process();
    Room::provide(memory.requests);
    let server = Server::bind(settings.listen, server::Limits::within(&memory), encryption)
        .await
        .map_err(|error| cannot_listen(settings.listen, error.into()))?;

    let Some(mut located) = database::locate(&settings, &mut shutdown).await? else {
        return Ok(());
    };
    let served =
        serve_from(&settings, &mut located, model, &document, server, keyring, shutdown).await;
    let stopped = stop_private(located).await;
    served.and(stopped)
}

/// Brings the schema of the configured database up to date.
///
/// # Errors
///
/// Fails if the database cannot be used, a migration fails, or a signal asks for a stop before it is done.
pub async fn migrate(settings: Settings) -> anyhow::Result<()> {
    once(&settings, async |_upkeep| Ok(())).await
}

/// Does once what the service does now and again, for a record that is served by those who may not.
///
/// # Errors
///
/// Fails if the database cannot be used, something is not done, or a signal asks for a stop before it is done.
pub async fn keep_up(settings: Settings) -> anyhow::Result<()> {
    once(&settings, async |upkeep| upkeep::all(upkeep).await.context("the record was not kept up"))
        .await
}

/// Does something to the record once it is prepared, and fails if that is not done to its end: whoever asked for it counts on
/// it. What is interrupted is rolled back.
async fn once(
    settings: &Settings,
    work: impl AsyncFnOnce(&Upkeep) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut shutdown = Shutdown::listen()?;
    let Some(mut located) = database::locate(settings, &mut shutdown).await? else {
        bail!("this was called off before it was begun");
    };
    let done = async { work(&preparation::prepare(settings, &mut located).await?.upkeep).await };
    let done = match shutdown.or(done).await {
        Ok(done) => done,
        Err(signal) => Err(anyhow!("{signal}: this was called off before it was done")),
    };
    let stopped = stop_private(located).await;
    done.and(stopped)
}

/// Why the address cannot be had, and what to do.
pub(crate) fn cannot_listen(address: SocketAddr, error: anyhow::Error) -> anyhow::Error {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let error = error.context(format!("cannot listen on {address}"));
    let advice = match kind {
        Some(io::ErrorKind::AddrInUse) => {
            "another program does, maybe another copy of this one; --listen takes another address, as --listen :8001"
        }
        Some(io::ErrorKind::PermissionDenied) => {
            "ports below 1024 are for programs with that right; --listen takes another address, as --listen :8000"
        }
        Some(io::ErrorKind::AddrNotAvailable) => "this machine does not have that address",
        _ => return error,
    };
    anyhow!("{error:#}; {advice}")
}

pub(crate) fn load_model(settings: &Settings) -> anyhow::Result<Model> {
    match &settings.model {
        None => Model::embedded().context("the built-in model cannot be used"),
        Some(path) => {
            let name = || format!("the model {} cannot be used", path.display());
            let bytes = std::fs::read(path).with_context(name)?;
            Model::from_bytes(&bytes).with_context(name)
        }
    }
}

/// What to encrypt connections by, if they shall be.
pub(crate) fn load_encryption(settings: &Settings) -> anyhow::Result<Option<Encryption>> {
    let encryption = &settings.encryption;
    let (certificate, key) = match (&encryption.tls_cert, &encryption.tls_key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(None),
        (Some(_), None) => bail!(
            "a certificate is given (TLS_CERT) without its private key: give --tls-key or TLS_KEY too"
        ),
        (None, Some(_)) => bail!(
            "a private key is given (TLS_KEY) without its certificate: give --tls-cert or TLS_CERT too"
        ),
    };
    let files = server::Files { certificate: certificate.clone(), key: key.clone() };
    Encryption::load(files).context("cannot answer by HTTPS").map(Some)
}

async fn serve_from(
    settings: &Settings,
    located: &mut Located,
    model: Arc<Model>,
    document: &Document,
    mut server: Server,
    keyring: Option<Arc<Keyring>>,
    mut shutdown: Shutdown,
) -> anyhow::Result<()> {
    let Prepared { store, upkeep, kept_up } = tokio::select! {
        prepared = preparation::prepare(settings, located) => prepared?,
        // Another process may be migrating for minutes. What is interrupted here is rolled back.
        signal = shutdown.requested() => {
            info!("{signal}: stopping before anything was served");
            return Ok(());
        }
    };
    role::look(settings, &store).await;
    let writer = store.writer()?;
    let spool = open_spool(settings).await?;
    let pools = vec![("readers", store.connections()), ("writers", writer.connections())];
    let recording = Arc::new(Recording::new(Arc::clone(&model)));
    let observer = Arc::clone(&recording);
    let (recorder, mut writing) =
        Recorder::start(Arc::clone(&model), writer, spool.clone(), Limits::default(), observer);
    let looks = Arc::new(RecordLooks::of(store.clone(), settings.record.retain_days));
    let mut tasks = Tasks::default();
    server.renew_certificate(&mut tasks);
    let known = Arc::clone(&kept_up);
    tasks.spawn("upkeep", move || upkeep::keep_on(upkeep.clone(), Arc::clone(&known)));
    let looking = Arc::clone(&looks);
    tasks.spawn("record", move || Arc::clone(&looking).watch());
    let readiness = Arc::new(Readiness::fit());
    let (known, probe) = (Arc::clone(&readiness), Arc::new(store.probe()?));
    tasks.spawn("readiness", move || Arc::clone(&known).watch(Arc::clone(&probe)));
    if let Some(keyring) = keyring.clone() {
        tasks.spawn("keys", move || keys::watch(Arc::clone(&keyring)));
    }
    let supervisor = Arc::new(Supervisor::of_this_process());
    let heart = watchdog::start(&supervisor, &mut tasks);
    let metrics = Metrics::new(
        &Contract::of(document, PAGES)?,
        Sources {
            model: Arc::clone(&model),
            recorder: recorder.clone(),
            recording,
            spool: spool.clone(),
            pools,
            record: looks,
            kept_up,
            certificate: server.certificate(),
            keyring: keyring.clone(),
            restarts: tasks.restarts(),
        },
    );
    info!("model {}", model.version());
    info!("the record is in {}; look at it with", located.place());
    info!("{}", located.psql());
    if let Some(url) = located.url() {
        info!("for SQLAlchemy, psycopg, ADBC and the like: {url}");
    }
    if let Some(tools) = located.for_tools() {
        info!("for pgAdmin, DBeaver and other tools without Unix sockets: {tools}");
    }
    if located.lacks_psql() {
        info!(
            "psql, which that line needs, is neither in PATH nor among the programs of this PostgreSQL; install a client of \
             PostgreSQL to use it"
        );
    }
    let url = server.url()?;
    info!("listening on {url}; Swagger UI is at {url}/docs");

    let draining = Arc::new(AtomicBool::new(false));
    let endpoints = Endpoints {
        model,
        recorder: recorder.clone(),
        store: store.clone(),
        spool: spool.clone(),
        draining: Arc::clone(&draining),
        metrics: Arc::new(metrics),
        readiness,
        turns: Arc::new(Turns::among(store.readers())),
        quotas: Arc::new(Quotas::new(
            keyring.clone(),
            settings.record.idempotency_bytes,
            settings.record.idempotency_ttl,
        )),
        started: clock::now(),
    };
    let routes = {
        let guard = Guard::new(keyring, Names::of(&settings.access));
        routes(endpoints, document, guard, Cors::of(&settings.access.cors_origins))?
    };
    let stop = async {
        tokio::select! {
            signal = requested(settings, &mut shutdown, &draining, &supervisor) => {
                info!("{signal}: finishing what is in flight");
            }
            () = ended(&mut writing) => {
                error!("the recorder has ended; stopping");
                supervisor.stopping().await;
            }
            () = heart.beat() => {}
        }
    };
    supervisor.ready(&url).await;
    server.run(routes, stop, GRACE).await;
    if writing.is_finished() {
        bail!("the recorder ended before it was asked to");
    }
    recorder.close(GRACE_IN_DOUBT).await;
    tasks.shut_down().await;
    store.close();
    if let Some(spool) = spool {
        spool.close().await;
    }
    match recorder.tally() {
        Tally { waiting: 0, spooled: 0, committed, .. } => {
            info!(rows = committed, "everything in flight is answered and on the record");
        }
        Tally { waiting: 0, spooled, .. } => {
            info!(
                rows = spooled,
                "these rows are in the spool; the next start brings them to the database"
            );
        }
        Tally { waiting, .. } => {
            warn!(rows = waiting, "the database is away; these rows may be on the record or not");
        }
    }
    Ok(())
}

/// Waits until the service is asked to stop, and for as long again as it shall go on serving then.
async fn requested(
    settings: &Settings,
    shutdown: &mut Shutdown,
    draining: &AtomicBool,
    supervisor: &Supervisor,
) -> &'static str {
    let signal = shutdown.requested().await;
    supervisor.stopping().await;
    let time = settings.drain_seconds;
    if time.is_zero() {
        return signal;
    }
    draining.store(true, Relaxed);
    info!("{signal}: not ready any more; serving whoever has not noticed for {} s", time.as_secs());
    timeout(time, shutdown.requested()).await.unwrap_or(signal)
}

/// Opens the spool, if there shall be one.
async fn open_spool(settings: &Settings) -> anyhow::Result<Option<Spool>> {
    let Some(directory) = settings.spool_dir.clone() else { return Ok(None) };
    let limits = spool::Limits { bytes: settings.spool_bytes, ..spool::Limits::default() };
    let (spool, found) = spawn_blocking(move || Spool::open_in(&directory, limits))
        .await?
        .context("the spool cannot be used")?;
    let room = spool.room();
    if room.saturating_add(spool.depth().bytes) < limits.bytes {
        warn!(room, "the disk leaves the spool fewer bytes than it may take");
    }
    let spool::Found { rows, damaged, misfits, quarantined, set_aside, .. } = found;
    if rows > 0 {
        info!(rows, "the spool holds what an earlier run put there; it is brought to the database");
    }
    if damaged + misfits > 0 {
        let set_aside = set_aside.map(|path| path.display().to_string());
        error!(
            damaged,
            misfits, set_aside, "entries of the spool cannot be read; they are in quarantine"
        );
    } else if quarantined > 0 {
        warn!(quarantined, "entries of the spool are in quarantine since an earlier run");
    }
    Ok(Some(spool))
}

/// Waits for the task to end, without taking its result.
async fn ended(task: &mut JoinHandle<()>) {
    drop(task.await);
}

async fn stop_private(located: Located) -> anyhow::Result<()> {
    if let Some(postmaster) = located.private {
        spawn_blocking(move || postmaster.stop())
            .await?
            .context("the private PostgreSQL did not stop")?;
    }
    Ok(())
}
