//! The process, as every program that Prometheus looks at describes its own; what the system does not tell is left out.

use std::fmt;
use std::fs;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::Exposition;

/// This process.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut exposition = Exposition::from(encoder);
        if let Some(seconds) = cpu_seconds() {
            let help = "Time of a core that was used";
            exposition.counter("process_cpu_seconds", help, seconds)?;
        }
        if let Some(bytes) = resident_bytes() {
            exposition.gauge("process_resident_memory_bytes", "Resident memory", bytes)?;
        }
        if let Some(open) = open_descriptors() {
            exposition.gauge("process_open_fds", "Open file descriptors", open)?;
        }
        if let Ok((most, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            exposition.gauge("process_max_fds", "File descriptors that there may be", most)?;
        }
        if let Some(seconds) = started() {
            let help = "When the process started, since the epoch";
            exposition.gauge("process_start_time_seconds", help, seconds)?;
        }
        Ok(())
    }
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    Some(u32::try_from(microseconds / 1_000).ok().map_or(0.0, f64::from) / 1_000.0)
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

fn open_descriptors() -> Option<u64> {
    // The one that reads the list is in it.
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(open.saturating_sub(1) as u64)
}

/// When it started, in seconds since the epoch, to the second.
fn started() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold anything; the ticks from the start of the system are the twentieth after it.
    let (_, after) = stat.rsplit_once(')')?;
    let ticks: u64 = after.split_whitespace().nth(19)?.parse().ok()?;
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let booted = system.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(booted.trim().parse::<u64>().ok()? + ticks.checked_div(per_second)?)
}
