//! One run of PostgreSQL, as our child.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tracing::{info, warn};

use crate::cluster::Cluster;
use crate::log::Log;
use crate::stop::Stop;
use crate::tied::{Ending, Tied};
use crate::{Error, configuration, orphan, peer, pid_file, socket};

/// How it is told to end, ever less politely, and how long each time it has.
const TELLINGS: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(10)),
    (Signal::SIGQUIT, Duration::from_secs(10)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// How often a condition is looked at that nobody announces.
const GLANCE: Duration = Duration::from_millis(5);

/// How often a long start is reported.
const REPORT: Duration = Duration::from_secs(10);

/// A PostgreSQL that we started. Dropping it stops it.
///
/// It has one owner, and only that one reaps it, so a signal never goes to somebody else's process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Tied,
    log: Log,
}

impl Server {
    /// Starts PostgreSQL on the cluster, and returns when it accepts connections; a wish to stop calls that off.
    ///
    /// However long that takes: recovery ends when it ends, and beginning it again would not help.
    pub(crate) fn start(cluster: &Cluster, stop: &Stop) -> Result<Self, Error> {
        // Since it was prepared, it may have been removed, and somebody else have made it.
        socket::own(&cluster.socket_dir, &cluster.account)?;
        orphan::clear(cluster, stop)?;
        if let Some(loopback) = &cluster.loopback {
            loopback.prepare(cluster, stop)?;
        }
        let started = Instant::now();
        let mut server = Self::spawn(cluster)?;
        let mut report = started + REPORT;
        while !server.is_ready(cluster) {
            if let Some(status) = server.exited()? {
                return Err(Error::EndedEarly { status, log: server.log.last_lines() });
            }
            if stop.within(GLANCE) {
                server.stop()?;
                return Err(Error::CalledOff);
            }
            if Instant::now() > report {
                report += REPORT;
                info!("PostgreSQL is still starting after {} s", started.elapsed().as_secs());
            }
        }
        peer::check(cluster)?;
        info!("PostgreSQL is ready after {} ms", started.elapsed().as_millis());
        Ok(server)
    }

    fn spawn(cluster: &Cluster) -> Result<Self, Error> {
        let program = cluster.programs.path("postgres");
        let mut arguments = vec!["-D".into(), cluster.directory.clone().into_os_string()];
        arguments.extend(configuration::arguments(cluster).into_iter().map(OsString::from));
        let mut child =
            Tied::spawn(&cluster.account, &program, arguments, Stdio::null(), Ending::Shutdown)?;
        // Without its log it must not live, and ends here.
        let log = match child.take_stderr() {
            Some(stderr) => Log::follow(stderr),
            None => Log::follow(std::io::empty()),
        }?;
        Ok(Self { child, log })
    }

    fn is_ready(&self, cluster: &Cluster) -> bool {
        pid_file::read(&cluster.directory)
            .is_some_and(|file| file.ready && u32::try_from(file.pid) == Ok(self.child.id()))
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.exited().map_err(Error::run("postgres"))
    }

    /// Stops it: cleanly, if it ends within ten seconds, else in the way that recovery mends.
    pub(crate) fn stop(&mut self) -> Result<(), Error> {
        for (signal, patience) in TELLINGS {
            if self.exited()?.is_some() {
                return Ok(());
            }
            if signal != Signal::SIGINT {
                warn!("PostgreSQL does not stop: sending {signal}");
            }
            self.child.signal(signal);
            let deadline = Instant::now() + patience;
            while self.exited()?.is_none() && Instant::now() < deadline {
                thread::sleep(GLANCE);
            }
        }
        self.child.wait().map(drop).map_err(Error::run("postgres"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.stop();
    }
}
