//! The composition root: puts the service together, runs it, and takes it apart.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use inference::Model;
use recorder::{Limits, Recorder};
use storage::Store;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{error, info};

use crate::database::{self, Located};
use crate::routes::routes;
use crate::server::Server;
use crate::shutdown::Shutdown;
use crate::{Document, Settings};

/// How long requests in flight may take once the service is asked to stop; more than the longest of them needs.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the service until it is asked to stop.
///
/// # Errors
///
/// Fails if the model does not fit, the database cannot be used, or the address cannot be bound.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let shutdown = Shutdown::listen()?;
    let model = Arc::new(load_model(&settings)?);
    let document = Document::generate()?;
    let server = Server::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.listen))?;

    let located = database::locate(&settings).await?;
    let served = serve_from(&located, model, &document, server, shutdown).await;
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
    Ok(())
}

async fn serve_from(
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
    let (recorder, mut writing) =
        Recorder::start(Arc::clone(&model), store.writer()?, Limits::default());
    info!("model {}", model.version());
    info!("the record is in {}; look at it with", store.database());
    info!("{}", located.psql);
    let address = server.address()?;
    info!("listening on http://{address}; Swagger UI is at http://{address}/docs");

    let routes = routes(model, recorder.clone(), store.clone(), document)?;
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
    recorder.close().await;
    store.close();
    info!("everything in flight is answered and on the record");
    Ok(())
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
