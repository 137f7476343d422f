//! The living processes of a cluster.

use crate::cluster::Cluster;

/// The process ids of every living process of the cluster, whoever started it.
///
/// It is one of them if its command line carries the cluster's mark; or, where the system tells, if it
/// is a `postgres` whose working directory is the cluster. (Root in a container is often not told.) And it runs as the
/// user who runs PostgreSQL: anybody may give a process such a name and command line.
#[cfg(target_os = "linux")]
pub(crate) fn of(cluster: &Cluster) -> Vec<i32> {
    use std::fs;

    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let process = entry.path();
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        // A process that only awaits its parent has no command line any more.
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        let is_theirs = user(&process) == Some(cluster.account.uid());
        if name.trim() != "postgres" || command.is_empty() || !is_theirs {
            continue;
        }
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let lives_there =
            || fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == cluster.directory);
        if carries(&command, &cluster.mark) || lives_there() {
            pids.push(pid);
        }
    }
    pids
}

/// The user a process runs as.
#[cfg(target_os = "linux")]
fn user(process: &std::path::Path) -> Option<u32> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // The real one, then the effective one.
    users.split_whitespace().nth(1)?.parse().ok()
}

/// The process ids of every living process of the cluster: those of its user whose command line carries its mark.
#[cfg(not(target_os = "linux"))]
pub(crate) fn of(cluster: &Cluster) -> Vec<i32> {
    use std::process::Command;

    let output =
        Command::new("ps").args(["-A", "-ww", "-o", "pid=,uid=", "-o", "command="]).output();
    let listing = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listing)
        .lines()
        .filter_map(|line| {
            let (pid, line) = line.trim_start().split_once(' ')?;
            let (user, command) = line.trim_start().split_once(' ')?;
            let is_theirs = user.parse() == Ok(cluster.account.uid());
            (is_theirs && carries(command.trim_start(), &cluster.mark)).then(|| pid.parse().ok())?
        })
        .collect()
}

/// Whether a command line is that of a postmaster started with this mark, or of one of its children.
fn carries(command: &str, mark: &str) -> bool {
    command.trim_end().ends_with(&format!(" -c cluster_name={mark}"))
        || command.starts_with(&format!("postgres: {mark}: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postmaster_and_its_children_carry_the_mark() {
        assert!(carries(
            "/bin/postgres -D /data -c port=5432 -c cluster_name=onrecord-1 ",
            "onrecord-1"
        ));
        assert!(carries("postgres: onrecord-1: checkpointer ", "onrecord-1"));
    }

    #[test]
    fn others_do_not() {
        assert!(!carries("/bin/postgres -D /data -c cluster_name=onrecord-12", "onrecord-1"));
        assert!(!carries("postgres: onrecord-12: checkpointer", "onrecord-1"));
        assert!(!carries("postgres: checkpointer", "onrecord-1"));
        assert!(!carries("psql host=/tmp/onrecord-1 port=5432", "onrecord-1"));
    }
}
