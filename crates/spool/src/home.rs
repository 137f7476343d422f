//! Where the spool is in a directory that may hold other things.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, directory};

/// The directory of its own that a spool makes.
const OWN: &str = "onrecord-spool";

/// One of these is there from the first opening on, also in the middle of a salvage.
const DATABASES: [&str; 2] = ["spool.sqlite3", "salvaged.sqlite3"];

/// The directory of the spool in `directory`: one of its own, which can be closed to others without closing `directory`;
/// or `directory` itself if an earlier version has put the spool there.
pub(crate) fn find(directory: &Path) -> Result<PathBuf, Error> {
    in_directory(directory::prepare(directory)?)
}

/// The same in a canonical directory that is there.
pub(crate) fn in_directory(directory: PathBuf) -> Result<PathBuf, Error> {
    let own = directory.join(OWN);
    match (holds_a_spool(&directory), holds_a_spool(&own)) {
        (true, true) => Err(Error::TwoSpools { directory, own }),
        (true, false) => Ok(directory),
        (false, _) => Ok(own),
    }
}

fn holds_a_spool(directory: &Path) -> bool {
    DATABASES.iter().any(|name| fs::symlink_metadata(directory.join(name)).is_ok())
}
