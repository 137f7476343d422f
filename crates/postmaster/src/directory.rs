//! The data directory: whose it must be, and who may write in it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, geteuid};

use crate::Error;
use crate::account::Account;

const GROUP_MAY_WRITE: u32 = 0o020;
const OTHERS_MAY_WRITE: u32 = 0o002;

/// The canonical path of the data directory, made if it is not there.
///
/// Whoever may write in it can put another database, or a link to any file, in the place of ours. So a directory of
/// another user is refused, and one that others can write: everybody, or a group that its owner shares with somebody.
/// It keeps the permissions that it has.
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
    // Where root made it for our group, that is for the administrator to say.
    let for_the_group = mode & GROUP_MAY_WRITE != 0
        && (ours.is_root() || owner == ours.as_raw())
        && !is_own_group(owner, metadata.gid());
    if mode & OTHERS_MAY_WRITE != 0 || for_the_group {
        return Err(Error::OpenDirectory { directory });
    }
    Ok(directory)
}

/// Whether this group is the user's own: where every user has one, its members may write in what the user makes.
fn is_own_group(user: u32, group: u32) -> bool {
    let user = User::from_uid(Uid::from_raw(user)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(group)).ok().flatten();
    user.zip(group).is_some_and(|(user, group)| {
        user.gid == group.gid
            && user.name == group.name
            && group.mem.iter().all(|member| *member == user.name)
    })
}
