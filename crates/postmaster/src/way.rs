//! The way to a PostgreSQL that runs: its socket, which others may remove.

use std::fs::{File, FileTimes};
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, warn};

use crate::cluster::Cluster;
use crate::socket::{self, Found};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long the socket is missing before it is lost: whoever moves the directory may be about to put it back.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the times of the directory are renewed. PostgreSQL does the same for the socket, every 58 minutes.
const RENEWAL: Duration = Duration::from_secs(3_600);

/// The last looks at the way. Cleaners of `/tmp` take what nobody has touched for days.
#[derive(Debug, Default)]
pub(crate) struct Way {
    looked: Option<Instant>,
    renewed: Option<Instant>,
    missing_since: Option<Instant>,
    is_foreign: bool,
}

impl Way {
    /// Whether the socket is gone, so that nobody can connect to this PostgreSQL any more. It is looked at every now and
    /// again.
    ///
    /// Where somebody else has made the directory, there is no way back before that is gone: those who are connected
    /// to this PostgreSQL are better off as long as it runs.
    pub(crate) fn is_lost(&mut self, cluster: &Cluster) -> bool {
        if !is_due(&mut self.looked, LOOK) {
            return false;
        }
        let found = socket::look(cluster);
        let is_news = found == Found::Foreign && !self.is_foreign;
        self.is_foreign = found == Found::Foreign;
        match found {
            Found::Ours if is_due(&mut self.renewed, RENEWAL) => renew(cluster),
            Found::Foreign if is_news => warn!(
                "the directory of PostgreSQL's socket, {}, belongs to somebody else: the service cannot connect any more, \
                 and others who try to are answered by that user; remove it, and PostgreSQL is restarted",
                cluster.socket_dir.display()
            ),
            _ => {}
        }
        if found != Found::Nothing {
            self.missing_since = None;
            return false;
        }
        self.missing_since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE
    }
}

/// Whether something is to be done again, which then counts as done.
fn is_due(done: &mut Option<Instant>, interval: Duration) -> bool {
    let is_due = done.is_none_or(|done| done.elapsed() >= interval);
    if is_due {
        *done = Some(Instant::now());
    }
    is_due
}

fn renew(cluster: &Cluster) {
    let now = SystemTime::now();
    let times = FileTimes::new().set_accessed(now).set_modified(now);
    let renewed = File::open(&cluster.socket_dir).and_then(|directory| directory.set_times(times));
    if let Err(error) = renewed {
        debug!("the times of {} cannot be renewed: {error}", cluster.socket_dir.display());
    }
}
