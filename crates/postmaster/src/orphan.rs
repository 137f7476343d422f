//! A PostgreSQL that outlived the service which started it.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tracing::info;

use crate::cluster::Cluster;
use crate::stop::Stop;
use crate::{Error, pid_file, processes, socket};

/// How a postmaster is told to end, ever less politely, and how long each time it has.
const TELLINGS: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(5)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// Stops every process that still uses the cluster, and removes what it left.
///
/// We hold the lock of the data directory and have no PostgreSQL of our own, so whatever lives there is
/// an orphan. A `postmaster.pid` that outlives them all is stale, even if its process id is in use again:
/// by then it is somebody else's. Should we be mistaken, PostgreSQL's own check of shared memory
/// still keeps a second one out.
pub(crate) fn clear(cluster: &Cluster, stop: &Stop) -> Result<(), Error> {
    let path = pid_file::path(&cluster.directory);
    if !path.exists() {
        return Ok(());
    }
    let mut pids = processes::of(cluster);
    for (signal, patience) in TELLINGS {
        if pids.is_empty() {
            break;
        }
        let n_found = pids.len();
        tell(cluster, &pids, signal);
        let deadline = Instant::now() + patience;
        while !pids.is_empty() && Instant::now() < deadline {
            if stop.within(Duration::from_millis(20)) {
                return Err(Error::CalledOff);
            }
            pids = processes::of(cluster);
        }
        if pids.is_empty() {
            info!("stopped {n_found} processes of an earlier PostgreSQL");
        }
    }
    if !pids.is_empty() {
        return Err(Error::Orphans { pids });
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::file("remove", path)(error));
        }
        _ => {}
    }
    socket::sweep(&cluster.socket_dir)
}

/// Tells the postmaster, who tells its children; or all of them, if it is gone or `signal` leaves it no time.
fn tell(cluster: &Cluster, pids: &[i32], signal: Signal) {
    let postmaster = pid_file::read(&cluster.directory).map(|file| file.pid);
    let postmaster = postmaster.filter(|pid| pids.contains(pid) && signal != Signal::SIGKILL);
    // To a child, SIGINT means to abandon a statement; what ends it is SIGQUIT.
    let (told, signal) = match (&postmaster, signal) {
        (Some(pid), signal) => (std::slice::from_ref(pid), signal),
        (None, Signal::SIGKILL) => (pids, Signal::SIGKILL),
        (None, _) => (pids, Signal::SIGQUIT),
    };
    for pid in told {
        // One that is gone already needs no telling.
        let _ = kill(Pid::from_raw(*pid), signal);
    }
}
