//! `postmaster.pid`: what a running PostgreSQL says about itself.

use std::fs;
use std::path::{Path, PathBuf};

/// The contents that matter to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PidFile {
    /// The process that wrote it.
    pub(crate) pid: i32,
    /// Whether that process accepts connections.
    pub(crate) ready: bool,
}

/// Where the file is.
pub(crate) fn path(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

/// Reads the file of a cluster, if there is one to be read.
pub(crate) fn read(cluster: &Path) -> Option<PidFile> {
    parse(&fs::read_to_string(path(cluster)).ok()?)
}

/// The first line is the process id, the eighth its state.
fn parse(text: &str) -> Option<PidFile> {
    let mut lines = text.lines().map(str::trim);
    let pid = lines.next()?.parse().ok()?;
    Some(PidFile { pid, ready: lines.nth(6) == Some("ready") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eighth_line_says_ready() {
        let text = "4242\n/data\n1700000000\n5432\n/socket\n\n   12345  6\nready   \n";
        assert_eq!(parse(text), Some(PidFile { pid: 4242, ready: true }));
        let text = text.replace("ready", "starting");
        assert_eq!(parse(&text), Some(PidFile { pid: 4242, ready: false }));
    }

    #[test]
    fn a_file_in_the_making_is_not_ready() {
        assert_eq!(parse("4242\n/data\n"), Some(PidFile { pid: 4242, ready: false }));
        assert_eq!(parse(""), None);
    }
}
