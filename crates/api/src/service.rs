//! The composition root: puts the service together, runs it, and takes it apart.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::Utc;
use inference::Model;
use recorder::{Limits, Recorder, Tally};
use spool::Spool;
use storage::Store;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;
use tracing::{debug, error, info, warn};

use crate::contract::Contract;
use crate::database::{self, Located};
use crate::endpoints::Endpoints;
use crate::metrics::{Metrics, RecordSize, Recording, Sources};
use crate::routes::routes;
use crate::server::{self, Server};
use crate::shutdown::Shutdown;
use crate::{Document, Settings};

/// How long requests in flight may take once the service is asked to stop; more than the longest of them needs.
const GRACE: Duration = Duration::from_secs(5);

/// For how long the writing of what is in doubt is tried after that.
const GRACE_IN_DOUBT: Duration = Duration::from_secs(2);

/// How often expired answers are deleted.
const FORGETTING: Duration = Duration::from_secs(60);

/// Runs the service until it is asked to stop.
///
/// # Errors
///
/// Fails if the model does not fit, the database cannot be used, or the address cannot be bound.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let shutdown = Shutdown::listen()?;
    let model = Arc::new(load_model(&settings)?);
    let document = Document::generate()?;
    let server = Server::bind(settings.listen, server::Limits::default())
        .await
        .with_context(|| format!("cannot listen on {}", settings.listen))?;

    let located = database::locate(&settings).await?;
    let served = serve_from(&settings, &located, model, &document, server, shutdown).await;
    let stopped = stop_private(located).await;
    served.and(stopped)
}

/// Brings the schema of the configured database up to date.
///
/// # Errors
///
/// Fails if the database cannot be used or a migration fails.
pub async fn migrate(settings: Settings) -> anyhow::Result<()> {
    let located = database::locate(&settings).await?;
    let migrated = async { prepare(&Store::new(located.database.clone())?).await }.await;
    let stopped = stop_private(located).await;
    migrated.and(stopped)
}

fn load_model(settings: &Settings) -> anyhow::Result<Model> {
    match &settings.model {
        None => Model::embedded().context("the built-in model cannot be used"),
        Some(path) => {
            let name = || format!("the model {} cannot be used", path.display());
            let bytes = std::fs::read(path).with_context(name)?;
            Model::from_bytes(&bytes).with_context(name)
        }
    }
}

/// Makes sure that the database can be reached and has the schema of this program.
async fn prepare(store: &Store) -> anyhow::Result<()> {
    let database = store.database();
    store
        .wait_until_reachable()
        .await
        .with_context(|| format!("the database cannot be used ({database})"))?;
    let applied = store
        .migrate()
        .await
        .with_context(|| format!("the database cannot be used ({database})"))?;
    for migration in &applied {
        info!("applied migration {migration}");
    }
    if applied.is_empty() {
        info!("the schema is up to date");
    }
    store.check().await.with_context(|| format!("the database cannot be used ({database})"))
}

async fn serve_from(
    settings: &Settings,
    located: &Located,
    model: Arc<Model>,
    document: &Document,
    server: Server,
    mut shutdown: Shutdown,
) -> anyhow::Result<()> {
    let store = Store::new(located.database.clone())?;
    tokio::select! {
        prepared = prepare(&store) => prepared?,
        // Another process may be migrating for minutes. What is interrupted here is rolled back.
        signal = shutdown.requested() => {
            info!("{signal}: stopping before anything was served");
            return Ok(());
        }
    }
    let writer = store.writer(settings.idempotency_ttl)?;
    let spool = open_spool(settings).await?;
    let pools = vec![("readers", store.connections()), ("writers", writer.connections())];
    let recording = Arc::new(Recording::new(Arc::clone(&model)));
    let observer = Arc::clone(&recording);
    let (recorder, mut writing) =
        Recorder::start(Arc::clone(&model), writer, spool.clone(), Limits::default(), observer);
    let forgetting = tokio::spawn(forget(store.clone(), settings.idempotency_ttl));
    let record = Arc::new(RecordSize::default());
    let watching = tokio::spawn(Arc::clone(&record).watch(store.clone()));
    let metrics = Metrics::new(
        &Contract::of(document)?,
        Sources {
            model: Arc::clone(&model),
            recorder: recorder.clone(),
            recording,
            spool: spool.clone(),
            pools,
            record,
        },
    );
    info!("model {}", model.version());
    info!("the record is in {}; look at it with", store.database());
    info!("{}", located.psql);
    let address = server.address()?;
    info!("listening on http://{address}; Swagger UI is at http://{address}/docs");

    let endpoints = Endpoints {
        model,
        recorder: recorder.clone(),
        store: store.clone(),
        spool: spool.clone(),
        metrics: Arc::new(metrics),
        started: Utc::now(),
    };
    let routes = routes(endpoints, document)?;
    let stop = async {
        tokio::select! {
            signal = shutdown.requested() => info!("{signal}: finishing what is in flight"),
            () = ended(&mut writing) => error!("the recorder has ended; stopping"),
        }
    };
    server.run(routes, stop, GRACE).await;
    if writing.is_finished() {
        bail!("the recorder ended before it was asked to");
    }
    recorder.close(GRACE_IN_DOUBT).await;
    forgetting.abort();
    watching.abort();
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

/// Opens the spool, if there shall be one.
async fn open_spool(settings: &Settings) -> anyhow::Result<Option<Spool>> {
    let Some(directory) = settings.spool_dir.clone() else { return Ok(None) };
    let limits = spool::Limits { bytes: settings.spool_bytes, ..spool::Limits::default() };
    let (spool, found) = spawn_blocking(move || Spool::open(&directory, limits))
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

/// Deletes kept answers that have expired, now and again.
async fn forget(store: Store, answers_kept: Duration) {
    loop {
        match store.forget_answers(answers_kept).await {
            Ok(0) => {}
            Ok(n) => debug!("deleted {n} expired answers"),
            Err(error) => debug!(
                error = &error as &dyn std::error::Error,
                "expired answers were not deleted; trying again later"
            ),
        }
        sleep(FORGETTING).await;
    }
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
