//! The data directory: whose it must be, and who may write in it.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tracing::info;

use crate::Error;
use crate::account::Account;

const GROUP_MAY_WRITE: u32 = 0o020;
const OTHERS_MAY_WRITE: u32 = 0o002;

/// The canonical path of the data directory, made if it is not there.
///
/// Whoever may write in it can put another database, or a link to any file, in the place of ours. So a directory of
/// another user is refused, and one that everybody can write; the group loses that permission, because where every
/// user has a group of their own it is the default.
pub(crate) fn prepare(directory: &Path) -> Result<PathBuf, Error> {
    let ours = geteuid();
    // Root's is entered by the user who runs PostgreSQL.
    let mode = if ours.is_root() { 0o755 } else { 0o700 };
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(directory)
        .map_err(Error::file("create", directory))?;
    let directory = fs::canonicalize(directory).map_err(Error::file("look at", directory))?;
    let metadata = fs::metadata(&directory).map_err(Error::file("look at", &directory))?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let is_trusted = owner == 0
        || owner == ours.as_raw()
        || (ours.is_root() && Account::choose(None).is_ok_and(|account| account.uid() == owner));
    if !is_trusted {
        return Err(Error::ForeignDirectory { directory, owner, ours: ours.as_raw() });
    }
    if mode & OTHERS_MAY_WRITE != 0 {
        return Err(Error::OpenDirectory { directory });
    }
    if mode & GROUP_MAY_WRITE != 0 && (ours.is_root() || owner == ours.as_raw()) {
        fs::set_permissions(&directory, Permissions::from_mode(mode & !GROUP_MAY_WRITE))
            .map_err(Error::file("restrict the mode of", &directory))?;
        info!("only its owner writes in the data directory {} from now on", directory.display());
    }
    Ok(directory)
}
