//! What an opening found.

use std::path::PathBuf;

/// What was in the directory when a spool was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// How many entries wait to be replayed.
    pub entries: u64,
    /// How many rows they have together.
    pub rows: u64,
    /// How many entries this opening found damaged. Their bytes are in quarantine, except for those of a malformed file
    /// of which nothing could be read: of these, at most so many, by the gaps between the numbers of the others.
    pub damaged: u64,
    /// How many intact entries this opening put into quarantine because this program cannot read them: of another
    /// format, shape or problem.
    pub misfits: u64,
    /// How many entries are in quarantine now.
    pub quarantined: u64,
    /// Where the malformed file is kept from which everything was salvaged.
    pub set_aside: Option<PathBuf>,
}
