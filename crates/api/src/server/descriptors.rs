//! How many connections the system lets the process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// How many descriptors are left for everything else: the database, the log, the system's own.
const RESERVE: u64 = 64;

/// Raises the limit of descriptors as far as this many connections need and the system allows, and says how many
/// connections there may be.
pub(super) fn for_connections(wanted: usize) -> usize {
    let needed = wanted as u64 + RESERVE;
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => {
            warn!(%error, "the limit of file descriptors is not known");
            return wanted;
        }
    };
    let mut available = soft;
    if soft < needed && soft < hard {
        let raised = needed.min(hard);
        match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
            Ok(()) => available = raised,
            Err(error) => warn!(%error, "the limit of file descriptors cannot be raised"),
        }
    }
    let most = within(available, wanted);
    if most < wanted {
        warn!("{available} file descriptors allow {most} connections instead of {wanted}");
    }
    most
}

/// How many connections so many descriptors allow.
fn within(descriptors: u64, wanted: usize) -> usize {
    let left = descriptors - RESERVE.min(descriptors / 2);
    usize::try_from(left).map_or(wanted, |left| left.clamp(1, wanted))
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn a_part_of_the_descriptors_is_kept_back() {
        assert_eq!(within(1 << 20, 8_192), 8_192);
        assert_eq!(within(8_256, 8_192), 8_192);
        assert_eq!(within(1_024, 8_192), 960);
        assert_eq!(within(64, 8_192), 32);
        assert_eq!(within(0, 8_192), 1);
    }
}
