//! The memory that clients may take: what the process may have, divided.

use std::fs;
use std::path::{Path, PathBuf};

/// The smallest limit of memory that the files in `deploy/` set, in bytes. Nothing is planned beyond it, so that the
/// service lives within any of them.
const SMALLEST: usize = 512 << 20;

/// What is planned for clients, each in bytes; the rest is for the program itself, the model, the queue of the recorder, and
/// what allocators and the system add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// For connections, whether anybody has shown a key there or not: the head that is being read, the state of the
    /// protocol.
    pub(crate) connections: usize,
    /// For heads and bodies of requests that were let in.
    pub(crate) requests: usize,
    /// For answers that their clients have not taken yet.
    pub(crate) answers: usize,
}

impl Memory {
    /// The plan for this process, within the limit of its control group if that is smaller than usual.
    pub(crate) fn of_this_process() -> Self {
        let limit = fs::read_to_string("/proc/self/cgroup")
            .ok()
            .and_then(|groups| limit(&groups, Path::new("/sys/fs/cgroup"), read));
        Self::within(limit.unwrap_or(SMALLEST))
    }

    /// The plan for this limit, in bytes.
    fn within(limit: usize) -> Self {
        let limit = limit.min(SMALLEST);
        Self { connections: limit / 16 * 5, requests: limit / 10, answers: limit / 10 }
    }
}

fn read(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok()
}

/// The least limit of a process's memory control group and those above it, in bytes; `groups` is its `/proc/self/cgroup`.
///
/// In a container the file names the group as the host does, while only what is below it can be seen: then that is looked at.
fn limit(groups: &str, root: &Path, read: impl Fn(&Path) -> Option<String>) -> Option<usize> {
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (hierarchy, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group: PathBuf = hierarchy.join(group.trim_start_matches('/'));
        let groups = group.ancestors().take_while(|it| it.starts_with(&hierarchy));
        let limits = groups.filter_map(|group| read(&group.join(file))?.trim().parse().ok());
        least = limits.chain(least).min();
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit of a process in these groups, where these files are.
    fn limit_of(groups: &str, files: &[(&str, &str)]) -> Option<usize> {
        limit(groups, Path::new("/c"), |file| {
            files
                .iter()
                .find(|(name, _)| Path::new(name) == file)
                .map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_least_limit_above_a_process_counts() {
        let files = [
            ("/c/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/c/memory/pod/memory.limit_in_bytes", "1000\n"),
            ("/c/memory/pod/one/memory.limit_in_bytes", "2000\n"),
        ];
        let v1 = "12:cpu:/other\n3:memory,hugetlb:/pod/one\n0::/\n";
        assert_eq!(limit_of(v1, &files), Some(1000));
        let v2 = [("/c/a/memory.max", "700\n"), ("/c/a/b/memory.max", "max\n")];
        assert_eq!(limit_of("0::/a/b\n", &v2), Some(700));
        // In a container the group has another name than outside.
        assert_eq!(limit_of("0::/x/y\n", &[("/c/memory.max", "600\n")]), Some(600));
        assert_eq!(limit_of("0::/a\n", &[("/c/a/memory.max", "max\n")]), None);
        assert_eq!(limit_of("nonsense", &files), None);
    }

    #[test]
    fn the_parts_leave_a_quarter_of_the_limit() {
        for limit in [64 << 20, SMALLEST, usize::MAX] {
            let Memory { connections, requests, answers } = Memory::within(limit);
            // A body that is complete is in memory twice for a moment.
            assert!(connections + requests + answers < limit.min(SMALLEST) / 4 * 3);
        }
    }
}
