//! The ledger: what was attempted and what was acknowledged, kept outside of every process that is harmed.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::watch;

use crate::attempt::{Answer, Attempt};

/// What became of an attempt.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Not known: no answer yet, or none that says.
    Indeterminate(Doubt),
    /// 200: on the record as answered; the text if the attempt has a key.
    Acknowledged(Vec<Answer>, Option<String>),
    /// 4xx: not on the record.
    Refused(u16),
    /// The connection was refused, so nothing was sent.
    Unsent,
    /// What must not be answered, and why.
    Violation(u16, String),
}

/// Why it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Under way when the clients were stopped.
    Pending,
    /// 503 as promised: problem details, and when to come back.
    Unavailable,
    /// The connection broke after sending.
    Broken,
    /// The client gave up.
    GaveUp,
}

/// One line of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) attempt: Attempt,
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
    /// Whether that is what a later attempt with the same key was told.
    pub(crate) resolved: bool,
}

/// What was attempted against one database. A clone is the same ledger.
#[derive(Debug, Clone)]
pub(crate) struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tags: AtomicU32,
    entries: Mutex<Vec<Entry>>,
    file: Mutex<File>,
    acknowledged: watch::Sender<usize>,
}

impl Ledger {
    /// An empty one, written down in this file as well.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(Arc::new(Inner {
            tags: AtomicU32::new(1),
            entries: Mutex::default(),
            file: Mutex::new(file),
            acknowledged: watch::Sender::new(0),
        })))
    }

    /// A new attempt, unlike all before.
    pub(crate) fn attempt(&self, rows: u16, key: Option<&str>) -> Attempt {
        let tag = self.0.tags.fetch_add(1, Ordering::Relaxed);
        Attempt { tag, rows, key: key.map(|prefix| format!("{prefix}-{tag}")) }
    }

    /// Notes an attempt that is about to be sent and says where.
    pub(crate) fn note(&self, attempt: &Attempt) -> anyhow::Result<usize> {
        let Attempt { tag, rows, key } = attempt;
        self.write(&format!("attempt {tag} {rows} {}\n", key.as_deref().unwrap_or("-")))?;
        let entry = Entry {
            attempt: attempt.clone(),
            sent: Instant::now(),
            took: Duration::ZERO,
            outcome: Outcome::Indeterminate(Doubt::Pending),
            resolved: false,
        };
        let mut entries = self.entries_mut();
        entries.push(entry);
        Ok(entries.len() - 1)
    }

    /// Notes what became of it.
    pub(crate) fn settle(&self, place: usize, outcome: Outcome) -> anyhow::Result<()> {
        let mut entries = self.entries_mut();
        let entry = entries.get_mut(place).context("never noted")?;
        entry.took = entry.sent.elapsed();
        let acknowledged = matches!(outcome, Outcome::Acknowledged(..));
        let line = format!("{} {}\n", outcome.name(), entry.attempt.tag);
        entry.outcome = outcome;
        drop(entries);
        self.write(&line)?;
        if acknowledged {
            self.0.acknowledged.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Replaces the doubt about an attempt by what its retry was told.
    pub(crate) fn resolve(&self, place: usize, outcome: Outcome) {
        if let Some(entry) = self.entries_mut().get_mut(place) {
            entry.outcome = outcome;
            entry.resolved = true;
        }
    }

    /// Everything so far.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries_mut().clone()
    }

    /// How many requests have been acknowledged, as it changes.
    pub(crate) fn acknowledged(&self) -> watch::Receiver<usize> {
        self.0.acknowledged.subscribe()
    }

    fn entries_mut(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &str) -> anyhow::Result<()> {
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).context("the ledger cannot be written")
    }
}

impl Outcome {
    /// A short name, as counted in the report.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Indeterminate(Doubt::Pending) => "pending".to_owned(),
            Self::Indeterminate(Doubt::Unavailable) => "503".to_owned(),
            Self::Indeterminate(Doubt::Broken) => "broken".to_owned(),
            Self::Indeterminate(Doubt::GaveUp) => "timeout".to_owned(),
            Self::Acknowledged(..) => "200".to_owned(),
            Self::Refused(status) => status.to_string(),
            Self::Unsent => "unsent".to_owned(),
            Self::Violation(status, _) => format!("{status}!"),
        }
    }
}
