//! The data directory: whose it must be, and who may write in it.

use std::fs::{self, DirBuilder};
use std::io;
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
        .map_err(|source| not_created(directory, source))?;
    let directory = fs::canonicalize(directory).map_err(Error::file("look at", directory))?;
    judge(directory)
}

/// The same canonical path, if the directory is one that can be trusted.
pub(crate) fn judge(directory: PathBuf) -> Result<PathBuf, Error> {
    let ours = geteuid();
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

/// The reason why a directory could not be made: most often that something else stands there or on the way.
pub(crate) fn not_created(directory: &Path, source: io::Error) -> Error {
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let in_the_way = absolute.ancestors().find_map(|path| Some((path, obstacle(path)?)));
    match in_the_way {
        Some((path, what)) => {
            Error::NoDirectory { directory: directory.to_owned(), path: path.to_owned(), what }
        }
        None => Error::NotCreated { directory: directory.to_owned(), source },
    }
}

/// A description of what is at this path, if that is something else than a directory.
fn obstacle(path: &Path) -> Option<String> {
    let is_link = fs::symlink_metadata(path).ok()?.is_symlink();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => None,
        Ok(_) => Some("is a file".to_owned()),
        Err(_) if is_link => {
            let target = fs::read_link(path).unwrap_or_default();
            Some(format!("is a link to {}, which does not exist", target.display()))
        }
        Err(_) => None,
    }
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
