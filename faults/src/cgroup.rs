//! A control group that bounds the memory of the service.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are: of memory alone, and of everything.
const ROOTS: [(&str, &str, &str); 2] = [
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
    ("/sys/fs/cgroup", "memory.max", "memory.peak"),
];

/// A group of our own, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: PathBuf,
    peak: &'static str,
}

impl Cgroup {
    /// Makes a group with so many bytes of memory; nothing where that is not possible.
    pub(crate) fn of_memory(bytes: usize) -> Option<Self> {
        for (root, limit, peak) in ROOTS {
            let directory = Path::new(root).join(format!("onrecord-faults-{}", std::process::id()));
            if !Path::new(root).join("cgroup.procs").exists() || fs::create_dir(&directory).is_err()
            {
                continue;
            }
            let made = Self { directory, peak };
            if fs::write(made.directory.join(limit), bytes.to_string()).is_ok() {
                return Some(made);
            }
        }
        None
    }

    /// The line of shell that has the shell enter the group.
    pub(crate) fn entering(&self) -> String {
        format!("echo $$ > {}", self.directory.join("cgroup.procs").display())
    }

    /// The most memory that the group ever had, in megabytes, if the system tells.
    pub(crate) fn peak_mb(&self) -> Option<u64> {
        let text = fs::read_to_string(self.directory.join(self.peak)).ok()?;
        text.trim().parse().ok().map(|bytes: u64| bytes >> 20)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that has just ended may be in it for a moment; then it stays, empty.
        let _ = fs::remove_dir(&self.directory);
    }
}
