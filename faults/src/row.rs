//! A row of the fault matrix: what it is called, what it needs, how it is run and how it ended.

use std::path::Path;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use crate::enclosure;
use crate::finding::Finding;
use crate::run::Run;

/// What a row does, as a future of its own.
pub(crate) type Running = Pin<Box<dyn Future<Output = anyhow::Result<Finding>> + Send>>;

/// A row of the matrix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) does: &'static str,
    pub(crate) needs: &'static [Need],
    /// Whether it is part of a quick run.
    pub(crate) quick: bool,
    pub(crate) run: fn(Run) -> Running,
}

/// What a row cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Mounts and a network of its own.
    Root,
    /// A program on the `PATH`.
    Program(&'static str),
    /// A file of this machine.
    File(&'static str),
    /// `Idempotency-Key`.
    Keys,
    /// `--spool-dir`.
    Spool,
    /// A build with the feature `fail-points`.
    FailPoints,
}

/// How a row ended.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    Done(Box<Finding>),
    Skipped(String),
}

/// A row that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) ending: Ending,
    pub(crate) took: Duration,
    /// The last lines of the services' logs, if it failed.
    pub(crate) logs: Vec<String>,
}

/// How long any row may take.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// How often a row is run in which nothing but time is wrong: a machine that is busy with something else makes everything
/// late, and nothing earlier. What is lost, doubled or wrong is never tried again.
const TRIES: usize = 3;

impl Row {
    /// Runs it, if what it needs is there.
    pub(crate) async fn carry_out(self, run: &Run) -> Ended {
        let started = Instant::now();
        let ending = match self.needs.iter().find_map(|need| need.missing(run)) {
            Some(missing) => Ending::Skipped(missing),
            None => {
                let mut finding = self.once(run).await;
                for _ in 1..TRIES {
                    if !finding.failures.is_empty() || finding.late.is_empty() {
                        break;
                    }
                    let earlier = std::mem::replace(&mut finding, self.once(run).await);
                    finding.follow(earlier);
                }
                Ending::Done(Box::new(finding))
            }
        };
        let mut logs = run.take_logs();
        if !ending.failed() {
            logs.clear();
        }
        Ended { number: self.number, name: self.name, ending, took: started.elapsed(), logs }
    }

    async fn once(self, run: &Run) -> Finding {
        match tokio::time::timeout(LIMIT, (self.run)(run.clone())).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(error)) => failed(format!("{error:#}")),
            Err(_) => failed(format!("it took longer than {LIMIT:?}")),
        }
    }
}

fn failed(failure: String) -> Finding {
    Finding { failures: vec![failure], ..Finding::default() }
}

impl Ending {
    pub(crate) fn failed(&self) -> bool {
        matches!(self, Self::Done(finding) if !finding.is_good())
    }
}

impl Need {
    /// What is missing, in words.
    fn missing(self, run: &Run) -> Option<String> {
        let (there, what) = match self {
            Self::Root => (
                enclosure::is_enclosed() && geteuid().is_root(),
                "needs root and namespaces".to_owned(),
            ),
            Self::Program(name) => {
                let mut command = Command::new("sh");
                command.args(["-c", "command -v \"$1\"", "sh", name]).stdout(Stdio::null());
                (command.status().is_ok_and(|found| found.success()), format!("needs {name}"))
            }
            Self::File(path) => (Path::new(path).exists(), format!("needs {path}")),
            Self::Keys => (run.abilities.keys, "not there yet: Idempotency-Key".to_owned()),
            Self::Spool => (run.abilities.spool, "not there yet: --spool-dir".to_owned()),
            Self::FailPoints => {
                (run.abilities.fail_points, "needs a build with fail points beside it".to_owned())
            }
        };
        (!there).then_some(what)
    }
}
