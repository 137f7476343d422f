//! A scene: a PostgreSQL, a service on it, the ledger of its clients, and perhaps a proxy in between.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::time::sleep;

use crate::checker::{Verdict, check};
use crate::client::Client;
use crate::counters::Counters;
use crate::doubts;
use crate::finding::{Allowed, Finding};
use crate::ledger::{Ledger, Outcome};
use crate::load::{Load, Mix};
use crate::postgres::Postgres;
use crate::proxy::Proxy;
use crate::run::Run;
use crate::service::{Launch, Service};

/// How long the service may take to write to the database again once it is well.
const MOMENT: Duration = Duration::from_secs(2);

/// How a scene differs from the usual one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// Settings of PostgreSQL.
    pub(crate) settings: Vec<&'static str>,
    /// Whether the service reaches PostgreSQL through a proxy.
    pub(crate) proxied: bool,
    /// Where PostgreSQL lives, if not in the scratch directory.
    pub(crate) home: Option<PathBuf>,
    /// An existing directory for the WAL, if it is not to be with the data.
    pub(crate) wal: Option<PathBuf>,
    /// How the service is started, if not in the usual way.
    pub(crate) launch: Option<Launch>,
    /// The secret of an API key that the clients show.
    pub(crate) key: Option<String>,
}

/// Everything that takes part in a row.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) run: Run,
    // Dropped in this order: the service first.
    pub(crate) service: Service,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) postgres: Postgres,
    pub(crate) client: Client,
    /// Whether the service was killed or restarted, so that its counters started anew.
    pub(crate) interrupted: bool,
}

/// Clients at work, and a watcher of the service's own counters.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) load: Load,
    pub(crate) counters: Option<Counters>,
}

impl Scene {
    /// Sets the scene: everything runs and nothing has been asked.
    pub(crate) async fn set(run: &Run, setup: Setup) -> anyhow::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let home = setup.home.unwrap_or_else(|| run.scratch.join(format!("postgres-{number}")));
        let wal = setup.wal.as_deref();
        let postgres = Postgres::create(&run.installation, &home, &setup.settings, wal).await?;
        let proxy = if setup.proxied { Some(Proxy::start(postgres.port).await?) } else { None };
        let port = proxy.as_ref().map_or(postgres.port, |proxy| proxy.port);
        let launch = setup.launch.unwrap_or_else(|| run.launch());
        let launch = launch.set("DATABASE_URL", postgres.url(port));
        let mut service = Service::new(launch, run.log());
        service.start().await?;
        let ledger = Ledger::open(&run.scratch.join(format!("ledger-{number}")))?;
        let client = Client::new(service.address(), ledger, setup.key.as_deref())?;
        Ok(Self { run: run.clone(), service, proxy, postgres, client, interrupted: false })
    }

    pub(crate) fn proxy(&self) -> anyhow::Result<&Proxy> {
        self.proxy.as_ref().context("this scene has no proxy")
    }

    /// The ordinary requests, a third of them with a key if the service knows keys.
    pub(crate) fn mix(&self) -> Mix {
        let keyed = self.run.abilities.keys.then(|| (0.33, format!("k{}", self.run.seed.0)));
        Mix { keyed, ..Mix::ordinary() }
    }

    /// Sets this many clients to work.
    pub(crate) fn work(&self, clients: usize) -> Work {
        let load = Load::closed(&self.client, clients, &self.mix(), self.run.seed);
        Work { load, counters: self.counters() }
    }

    /// The watcher of the service's counters, if it has any.
    pub(crate) fn counters(&self) -> Option<Counters> {
        self.run.abilities.ledger.then(|| Counters::watch(self.client.clone()))
    }

    /// Starts the service once more and says how long it took until it was ready.
    pub(crate) async fn restart_service(&mut self) -> anyhow::Result<Duration> {
        self.interrupted = true;
        let started = Instant::now();
        self.service.start().await?;
        self.ready(Duration::from_secs(30)).await?;
        Ok(started.elapsed())
    }

    /// Waits until the service says that it is ready.
    pub(crate) async fn ready(&self, patience: Duration) -> anyhow::Result<()> {
        let give_up = Instant::now() + patience;
        loop {
            if let Ok((200, _)) = self.client.get("/health/ready").await {
                return Ok(());
            }
            if Instant::now() > give_up {
                bail!("the service is not ready after {patience:?}");
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until all is well: the load is acknowledged again, and the service is ready. Says how long it took.
    pub(crate) async fn well(&self, load: &Load) -> anyhow::Result<Duration> {
        let healed = Instant::now();
        let (acknowledged, ready) =
            tokio::join!(load.acknowledged(1), self.ready(Duration::from_secs(60)));
        acknowledged.and(ready)?;
        Ok(healed.elapsed())
    }

    /// What a fresh request is told. If keys are known it has one, as what has a key cannot be spooled: the database must be
    /// in use again, which it is at most a moment after the service is well.
    async fn fresh(&self) -> anyhow::Result<Outcome> {
        let key = self.run.abilities.keys.then_some("alive");
        let give_up = Instant::now() + MOMENT;
        loop {
            let told = self.client.send(&self.client.ledger().attempt(1, key)).await?;
            if matches!(told, Outcome::Acknowledged(..)) || Instant::now() > give_up {
                return Ok(told);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the load and adds to the finding what it was told, and what the record shows.
    pub(crate) async fn conclude(
        &self,
        work: Work,
        allowed: Allowed,
        finding: &mut Finding,
    ) -> anyhow::Result<()> {
        work.load.finish().await?;
        self.judge(work.counters, allowed, finding).await
    }

    /// The same, after the load has ended.
    pub(crate) async fn judge(
        &self,
        counters: Option<Counters>,
        allowed: Allowed,
        finding: &mut Finding,
    ) -> anyhow::Result<()> {
        // What is told is counted before doubts are resolved by asking again.
        finding.told(&self.client.ledger().entries(), allowed);
        let answer = self.fresh().await?;
        finding.require_in_time(matches!(answer, Outcome::Acknowledged(..)), || {
            format!("after the row a fresh request was told {answer:?}")
        });
        if self.run.abilities.keys {
            doubts::resolve(&self.client, finding).await?;
        }
        let verdict = self.verdict().await?;
        if let Some(counters) = counters {
            let recorded = (!self.interrupted).then_some(verdict.recorded);
            counters.conclude(recorded, finding).await?;
        }
        finding.judged(verdict);
        Ok(())
    }

    /// What the record shows, once no statement is under way any more: one may outlive the service that sent it.
    pub(crate) async fn verdict(&self) -> anyhow::Result<Verdict> {
        let database = self.postgres.connect().await?;
        let busy = "select count(*) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'";
        let give_up = Instant::now() + Duration::from_secs(30);
        while database.query_one(busy, &[]).await?.get::<_, i64>(0) > 0 {
            if Instant::now() > give_up {
                bail!("a statement is still under way");
            }
            sleep(Duration::from_millis(20)).await;
        }
        let give_up = Instant::now() + Duration::from_secs(15);
        loop {
            let verdict = check(&database, &self.client.ledger().entries()).await?;
            // What was spooled arrives after the database is back.
            if verdict.lost == 0 || !self.run.abilities.spool || Instant::now() > give_up {
                return Ok(verdict);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}
