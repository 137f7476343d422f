//! Directories: whose they must be, and making them. One that is there already keeps its permissions.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::Error;

/// Only the owner reads what people sent.
pub(crate) const MODE: u32 = 0o700;

/// The canonical path of a directory, which is made if it is not there, for us alone.
pub(crate) fn prepare(directory: &Path) -> Result<PathBuf, Error> {
    let there = directory.ancestors().find_map(|ancestor| fs::canonicalize(ancestor).ok());
    if !directory.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(MODE)
            .create(directory)
            .map_err(Error::file("create", directory))?;
    }
    // From here on the name does not depend on the working directory.
    let directory = fs::canonicalize(directory).map_err(Error::file("find", directory))?;
    check(&directory)?;
    // The new directories, up to the one that was there before.
    for made_in in directory.ancestors().skip(1) {
        if there.as_ref() == Some(&directory) {
            break;
        }
        synchronize(made_in)?;
        if there.as_deref().is_none_or(|there| there == made_in) {
            break;
        }
    }
    Ok(directory)
}

/// Refuses a directory in which others may have put what they want read, or a link to what they want written.
pub(crate) fn check(directory: &Path) -> Result<(), Error> {
    let metadata = fs::metadata(directory).map_err(Error::file("look at", directory))?;
    let (owner, ours) = (metadata.uid(), geteuid().as_raw());
    let directory = directory.to_owned();
    if owner != ours && owner != 0 {
        return Err(Error::ForeignDirectory { directory, owner, ours });
    }
    if metadata.mode() & 0o002 != 0 {
        return Err(Error::OpenDirectory { directory });
    }
    Ok(())
}

/// Puts on the disk which files were created, renamed or removed in a directory.
pub(crate) fn synchronize(directory: &Path) -> Result<(), Error> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::file("flush", directory))
}
