//! The PostgreSQL that all tests share, each in a database of its own.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use postmaster::{Postmaster, Settings, Stop};
use tempfile::TempDir;

/// Starts it when it is first needed; it ends with the test process, however that ends.
pub(crate) fn shared() -> &'static Postmaster {
    static SHARED: OnceLock<Postmaster> = OnceLock::new();
    SHARED.get_or_init(|| {
        let directory = home().keep();
        let settings = Settings { data_dir: directory.clone(), ..Settings::default() };
        let postmaster = Postmaster::start(&settings, &Stop::default()).unwrap();
        stop_with_this_process(postmaster.cluster_dir(), &directory);
        postmaster
    })
}

/// A directory for a PostgreSQL: as root, it runs as another user, who must be able to enter.
pub(crate) fn home() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("onrecord-tests-").permissions(std::fs::Permissions::from_mode(0o755));
    builder.tempdir().unwrap()
}

/// Rust runs nothing when a test process ends, so a shell waits for the end of its standard input, which comes even if
/// this process is killed, then stops PostgreSQL and removes its directory.
#[expect(clippy::zombie_processes, reason = "the shell outlives this process")]
pub(super) fn stop_with_this_process(cluster: &Path, directory: &Path) {
    const SCRIPT: &str = r#"
        cat
        pid=$(head -n 1 "$1/postmaster.pid")
        kill -INT "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
        rm -rf "$1" "$2"
    "#;
    let mut shell = Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .args([cluster, directory])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    // Held open until this process ends.
    std::mem::forget(shell.stdin.take());
}
