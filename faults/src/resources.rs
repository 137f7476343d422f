//! What a process uses, by `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;

/// A look at a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Resident memory, in kilobytes, and the most that it ever was.
    pub(crate) resident_kb: u64,
    pub(crate) most_kb: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: usize,
    /// Time on a processor since it started.
    pub(crate) cpu: Duration,
}

impl Usage {
    /// Looks at the process of this number.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let status =
            fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
        let field = |name: &str| -> Option<u64> {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name, in parentheses, may hold blanks.
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field).and_then(|it| it.parse::<u64>().ok());
        Ok(Self {
            resident_kb: field("VmRSS:").context("no memory is told")?,
            most_kb: field("VmHWM:").context("no memory is told")?,
            threads: field("Threads:").context("no threads are told")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
            // Ticks are hundredths of a second on every Linux that Rust runs on.
            cpu: Duration::from_millis(10 * (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0))),
        })
    }
}

/// The process that runs now with this parent, or nothing.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// Whether it still runs; one that has ended and waits to be noticed does not.
pub(crate) fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim().starts_with('Z'))
}

/// The TCP connections that this process has to or from this port, whatever their state, by the names of their sockets.
pub(crate) fn sockets(pid: u32, port: u16) -> BTreeSet<String> {
    matching_sockets(pid, port, |_| true)
}

/// Those of them on which something was sent that is not acknowledged.
pub(crate) fn unacknowledged(pid: u32, port: u16) -> BTreeSet<String> {
    // The length of the queue to be sent, and that of the received one.
    matching_sockets(pid, port, |fields| !fields[4].starts_with("00000000:"))
}

fn matching_sockets(pid: u32, port: u16, holds: impl Fn(&[&str]) -> bool) -> BTreeSet<String> {
    let wanted = format!(":{port:04X}");
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    // 0A is the socket that listens.
    let matching = lines.filter(|fields| {
        let of_port = |end: &str| end.ends_with(&wanted);
        fields.len() > 9
            && fields[3] != "0A"
            && (of_port(fields[1]) || of_port(fields[2]))
            && holds(fields)
    });
    let named: BTreeSet<_> = matching.map(|fields| format!("socket:[{}]", fields[9])).collect();
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = links
        .filter_map(|link| fs::read_link(link.path()).ok()?.into_os_string().into_string().ok());
    links.filter(|link| named.contains(link)).collect()
}

/// Looks taken while something goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series(Vec<(f64, Usage)>);

impl Series {
    pub(crate) fn look(&mut self, started: Instant, pid: u32) {
        if let Ok(usage) = Usage::of(pid) {
            self.0.push((started.elapsed().as_secs_f64(), usage));
        }
    }

    /// By how much resident memory grows, in kilobytes a minute: the slope of the line of least squares.
    pub(crate) fn slope_kb_per_minute(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "kilobytes are few")]
        let points: Vec<_> =
            self.0.iter().map(|(at, usage)| (*at / 60.0, usage.resident_kb as f64)).collect();
        #[expect(clippy::cast_precision_loss, reason = "looks are few")]
        let n = points.len().max(1) as f64;
        let mean = points.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0 / n, sum.1 + it.1 / n));
        let (covariance, variance) = points.iter().fold((0.0, 0.0), |(c, v), (x, y)| {
            (c + (x - mean.0) * (y - mean.1), v + (x - mean.0).powi(2))
        });
        if variance > 0.0 { covariance / variance } else { 0.0 }
    }

    pub(crate) fn first(&self) -> Option<Usage> {
        self.0.first().map(|(_, usage)| *usage)
    }

    pub(crate) fn last(&self) -> Option<Usage> {
        self.0.last().map(|(_, usage)| *usage)
    }

    pub(crate) fn most_kb(&self) -> u64 {
        self.0.iter().map(|(_, usage)| usage.resident_kb).max().unwrap_or(0)
    }

    /// The part of it after its first `share`.
    pub(crate) fn after(&self, share: f64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let start = (self.0.len() as f64 * share) as usize;
        Self(self.0.get(start..).unwrap_or_default().to_vec())
    }
}
