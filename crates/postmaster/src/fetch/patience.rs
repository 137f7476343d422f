//! For how long a package client is waited for: as long as something arrives.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing::info;

use super::pins::Package;

/// For how long nothing may arrive, from all clients together: offline, a start fails within half a minute.
const SILENCE: Duration = Duration::from_secs(25);

/// How often it is looked.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// What arrives, and not just what a client notes for itself.
const ARRIVAL: u64 = 65_536;

/// How often a long wait is reported.
const REPORT: Duration = Duration::from_secs(10);

/// A client may have the package several times while it works, and some files besides.
const COPIES: u64 = 4;
const BESIDES: u64 = 64_000_000;

/// What has arrived so far, and since when.
#[derive(Debug)]
pub(crate) struct Patience {
    bytes: u64,
    arrived: Instant,
    looked: Instant,
    reported: Instant,
}

impl Patience {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { bytes: 0, arrived: now, looked: now, reported: now }
    }

    /// Another client begins, and has nothing yet; it has what is left of the time.
    pub(crate) fn begin_again(&mut self) {
        self.bytes = 0;
    }

    /// Whether there is no time left.
    pub(crate) fn is_over(&self) -> bool {
        self.arrived.elapsed() > SILENCE
    }

    /// Looks into the directory that a client works in; fails, in words, if it should not be waited for any more.
    pub(crate) fn look(&mut self, work: &Path, package: &Package) -> Result<(), String> {
        let now = Instant::now();
        if now < self.looked + BETWEEN_LOOKS {
            return Ok(());
        }
        self.looked = now;
        let bytes = size(work);
        if bytes > COPIES * package.bytes + BESIDES {
            let megabytes = bytes / 1_000_000;
            return Err(format!(
                "that was stopped after {megabytes} MB, as the package is smaller"
            ));
        }
        if bytes >= self.bytes + ARRIVAL {
            (self.bytes, self.arrived) = (bytes, now);
        }
        if self.is_over() {
            return Err(format!("nothing arrived within {} s", SILENCE.as_secs()));
        }
        if now > self.reported + REPORT {
            self.reported = now;
            match self.bytes / 1_000_000 {
                0 => info!("nothing has arrived for {} s", self.arrived.elapsed().as_secs()),
                megabytes => info!("some {megabytes} MB have arrived"),
            }
        }
        Ok(())
    }
}

/// The bytes of all files in a directory, as far as they can be seen.
fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
