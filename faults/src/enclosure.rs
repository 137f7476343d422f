//! The enclosure: namespaces of the run's own, and a scratch directory that is gone after it.
//!
//! As root, the harness runs itself once more in new namespaces for processes, mounts and the network. Whatever it starts,
//! mounts or filters there ends with it, however it ends.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tokio::signal::unix::{SignalKind, signal};

/// The scratch directory, told to the run inside.
const SCRATCH: &str = "FAULTS_SCRATCH";

/// Whether the run has namespaces of its own.
const ENCLOSED: &str = "FAULTS_ENCLOSED";

/// The scratch directory of the run inside; `None` outside.
pub(crate) fn scratch() -> Option<PathBuf> {
    env::var_os(SCRATCH).map(PathBuf::from)
}

/// Whether mounts and the network are this run's own, to be changed at will.
pub(crate) fn is_enclosed() -> bool {
    env::var_os(ENCLOSED).is_some()
}

/// Prepares what is empty in new namespaces.
pub(crate) fn furnish() -> anyhow::Result<()> {
    if is_enclosed() {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
        ensure!(up.success(), "the loopback of the namespace cannot be used");
    }
    Ok(())
}

/// Runs this program again inside, and ends as it does.
pub(crate) fn enter() -> anyhow::Result<ExitCode> {
    let directory = tempfile::Builder::new().prefix("onrecord-faults-").tempdir()?;
    // Entered by the user of PostgreSQL.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
    let code = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(directory.path().to_owned()))?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

async fn run(scratch: PathBuf) -> anyhow::Result<i32> {
    let program = env::current_exe()?;
    let mut command = if geteuid().is_root() && unshare_works() {
        let mut command = tokio::process::Command::new("setpriv");
        // Killed, `unshare` takes its child with it, which is the first process of its namespace: with it go all others.
        command.args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork"]);
        command.args(["--kill-child", "--mount-proc"]).arg(program).env(ENCLOSED, "1");
        command
    } else {
        tokio::process::Command::new(program)
    };
    command.args(env::args_os().skip(1)).env(SCRATCH, scratch);
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut child = command.spawn().context("the harness cannot run itself")?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?.code().unwrap_or(1)),
            // A terminal tells the run inside as well, which tidies up.
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {
                let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
                if let Some(pid) = pid {
                    let end = if geteuid().is_root() { Signal::SIGKILL } else { Signal::SIGTERM };
                    let _ = kill(Pid::from_raw(pid), end);
                }
            }
        }
    }
}

fn unshare_works() -> bool {
    let tried =
        Command::new("unshare").args(["--net", "--mount", "--pid", "--fork", "true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}
