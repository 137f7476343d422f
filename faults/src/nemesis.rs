//! The faults that come and go: each strikes a scene, and is healed.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use tokio_postgres::Client;

use crate::enclosure;
use crate::postgres::SERVICE_ROLE;
use crate::proxy::Behaviour;
use crate::resources::{children, is_running};
use crate::scene::Scene;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9` of the service; healed by starting it again.
    ServiceKilled,
    /// `kill -9` of the postmaster, whose children then end.
    PostmasterKilled,
    /// `kill -9` of one backend of the service: PostgreSQL ends all the others and recovers.
    BackendKilled,
    /// `pg_ctl stop -m immediate`.
    StoppedAtOnce,
    /// `pg_ctl restart -m fast`.
    Restarted,
    /// Every process of PostgreSQL is stopped, and goes on later.
    Frozen,
    /// The proxy lets nothing pass and closes nothing.
    BlackHole,
    /// The proxy resets every connection.
    Reset,
    /// The proxy delays every piece of data by this many milliseconds.
    Slow(u64),
    /// The proxy loses the answer to one of so many commits.
    AnswersLost(u64),
    /// The administrator ends every session of the service.
    Terminated,
    /// A table is locked.
    Locked,
    /// `default_transaction_read_only`, as on a standby.
    ReadOnly,
    /// The kernel drops so many of a hundred packets to and from PostgreSQL, in a network of the run's own.
    PacketsLost(u8),
}

/// A fault that has struck.
#[derive(Debug)]
pub(crate) struct Struck {
    fault: Fault,
    /// The session that holds the lock.
    holder: Option<Client>,
}

impl Fault {
    /// Those that a soak chooses from.
    pub(crate) const ANY: [Self; 13] = [
        Self::ServiceKilled,
        Self::PostmasterKilled,
        Self::BackendKilled,
        Self::StoppedAtOnce,
        Self::Restarted,
        Self::Frozen,
        Self::BlackHole,
        Self::Reset,
        Self::Slow(100),
        Self::AnswersLost(3),
        Self::Terminated,
        Self::Locked,
        Self::ReadOnly,
    ];

    /// Lets it happen.
    pub(crate) async fn strike(
        self,
        scene: &mut Scene,
        random: &mut ChaCha8Rng,
    ) -> anyhow::Result<Struck> {
        let mut holder = None;
        match self {
            Self::ServiceKilled => {
                scene.interrupted = true;
                scene.service.kill().await?;
            }
            Self::PostmasterKilled => scene.postgres.kill_postmaster().await?,
            Self::BackendKilled => kill_backend(scene, random).await?,
            Self::StoppedAtOnce => scene.postgres.stop(Signal::SIGQUIT).await?,
            Self::Restarted => {
                scene.postgres.stop(Signal::SIGINT).await?;
                scene.postgres.start().await?;
            }
            Self::Frozen => scene.postgres.freeze()?,
            Self::BlackHole => {
                scene.proxy()?.behave(Behaviour { black_hole: true, ..Behaviour::default() });
            }
            Self::Reset => scene.proxy()?.cut(),
            Self::Slow(milliseconds) => {
                let latency = Duration::from_millis(milliseconds);
                scene.proxy()?.behave(Behaviour { latency, ..Behaviour::default() });
            }
            Self::AnswersLost(one_of) => scene.proxy()?.lose_answers(one_of),
            Self::Terminated => {
                terminate(&scene.postgres.connect().await?, "true").await?;
            }
            Self::Locked => {
                let session = scene.postgres.connect().await?;
                session
                    .batch_execute("begin; lock table raw_data in access exclusive mode")
                    .await?;
                holder = Some(session);
            }
            Self::PacketsLost(share) => drop_packets(scene.postgres.port, share)?,
            Self::ReadOnly => {
                configure(scene, "alter system set default_transaction_read_only = on").await?;
            }
        }
        Ok(Struck { fault: self, holder })
    }
}

impl Struck {
    /// Puts it right.
    pub(crate) async fn heal(self, scene: &mut Scene) -> anyhow::Result<()> {
        match self.fault {
            Fault::ServiceKilled => scene.service.start().await?,
            Fault::PostmasterKilled | Fault::StoppedAtOnce => scene.postgres.start().await?,
            Fault::Frozen => scene.postgres.thaw()?,
            Fault::BlackHole | Fault::Slow(_) => scene.proxy()?.behave(Behaviour::default()),
            Fault::AnswersLost(_) => scene.proxy()?.lose_answers(0),
            Fault::Locked => {
                self.holder.context("nobody holds it")?.batch_execute("commit").await?;
            }
            Fault::PacketsLost(_) => filter(&["delete table inet faults"])?,
            Fault::ReadOnly => {
                configure(scene, "alter system reset default_transaction_read_only").await?;
            }
            // PostgreSQL recovers by itself, and from the others nothing remains.
            Fault::BackendKilled => {
                while scene.postgres.connect().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Fault::Restarted | Fault::Reset | Fault::Terminated => {}
        }
        Ok(())
    }
}

/// Ends the sessions of the service for which this holds, and says how many.
pub(crate) async fn terminate(admin: &Client, condition: &str) -> anyhow::Result<i64> {
    let sql = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
         where usename = '{SERVICE_ROLE}' and {condition}"
    );
    Ok(admin.query_one(&sql, &[]).await?.get(0))
}

/// Changes the configuration of the running server.
pub(crate) async fn configure(scene: &Scene, statement: &str) -> anyhow::Result<()> {
    let admin = scene.postgres.connect().await?;
    admin.batch_execute(statement).await?;
    admin.batch_execute("select pg_reload_conf()").await?;
    Ok(())
}

async fn kill_backend(scene: &Scene, random: &mut ChaCha8Rng) -> anyhow::Result<()> {
    let admin = scene.postgres.connect().await?;
    let sql = format!("select pid from pg_stat_activity where usename = '{SERVICE_ROLE}'");
    let rows = admin.query(&sql, &[]).await?;
    let backends: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    let backend = *backends.choose(random).context("the service has no session")?;
    let all = children(scene.postgres.pid()?);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(backend), Signal::SIGKILL)?;
    // Everybody else is sent away before the server recovers.
    let gone = u32::try_from(backend)?;
    while is_running(gone) || all.iter().filter(|pid| is_running(**pid)).count() > 3 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// For how long a fault of a soak lasts.
pub(crate) fn a_while(random: &mut ChaCha8Rng) -> Duration {
    Duration::from_millis(random.random_range(200..4_000))
}

fn drop_packets(port: u16, share: u8) -> anyhow::Result<()> {
    ensure!(enclosure::is_enclosed(), "only in a network of its own");
    let some =
        if share < 100 { format!("numgen random mod 100 < {share} ") } else { String::new() };
    filter(&[
        "add table inet faults",
        "add chain inet faults input { type filter hook input priority 0; }",
        &format!("add rule inet faults input tcp dport {port} {some}drop"),
        &format!("add rule inet faults input tcp sport {port} {some}drop"),
    ])
}

fn filter(commands: &[&str]) -> anyhow::Result<()> {
    for command in commands {
        let done = Command::new("nft").arg(command).output().context("nft cannot be run")?;
        ensure!(done.status.success(), "nft {command}: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}
