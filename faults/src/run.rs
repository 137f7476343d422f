//! One run of the harness: what all of its rows share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::abilities::Abilities;
use crate::installation::Installation;
use crate::seed::Seed;
use crate::service::{Launch, Log};

/// What all rows of a run share. A clone is the same run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) installation: Installation,
    /// A directory that is removed after the run.
    pub(crate) scratch: PathBuf,
    pub(crate) seed: Seed,
    /// Whether every row is bounded to seconds.
    pub(crate) quick: bool,
    pub(crate) program: PathBuf,
    pub(crate) abilities: Abilities,
    /// The logs of the services of the present row.
    logs: Arc<Mutex<Vec<Log>>>,
}

impl Run {
    pub(crate) fn new(
        installation: Installation,
        scratch: PathBuf,
        seed: Seed,
        quick: bool,
        program: PathBuf,
        abilities: Abilities,
    ) -> Self {
        Self { installation, scratch, seed, quick, program, abilities, logs: Arc::default() }
    }

    /// The one for a full run, or the one for a quick one.
    pub(crate) fn scaled<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How the service is started.
    pub(crate) fn launch(&self) -> Launch {
        Launch::new(self.program.clone())
    }

    /// The same run with another program.
    pub(crate) fn of_program(&self, program: PathBuf) -> Self {
        Self { program, ..self.clone() }
    }

    /// The same run on another PostgreSQL.
    pub(crate) fn on(&self, installation: Installation) -> Self {
        Self { installation, ..self.clone() }
    }

    /// A log that is shown if the row fails.
    pub(crate) fn log(&self) -> Log {
        let log = Log::default();
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).push(log.clone());
        log
    }

    /// The last lines of every log since the last time.
    pub(crate) fn take_logs(&self) -> Vec<String> {
        let logs = std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner));
        let tail = |log: &Log| {
            let mut lines = log.lines();
            // Refused requests are in the figures.
            lines.retain(|line| !line.contains("request failed"));
            lines.split_off(lines.len().saturating_sub(5))
        };
        logs.iter().flat_map(tail).collect()
    }
}
