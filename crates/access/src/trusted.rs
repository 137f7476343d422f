//! Looks at every step of the way to a file before the file is believed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;

use crate::Error;

/// How many links may lead to a file, as in the kernel.
const MOST_LINKS: usize = 40;

/// The write permissions of the group and of everybody.
const OTHERS_WRITE: u32 = 0o022;

/// Others may add files to such a directory, but not rename or remove those of somebody else.
const STICKY: u32 = 0o1000;

/// The place of a file, reached through directories and links that nobody can change but root and this user.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where the file is, without links.
    pub(crate) path: PathBuf,
    /// The file there, if there is one; it belongs to root or to this user.
    pub(crate) file: Option<Metadata>,
}

/// Follows a path and its links to the file. Links are allowed, because Kubernetes mounts secrets as links.
///
/// # Errors
///
/// Fails if a directory, a link or the file belongs to somebody else, if others may change what a directory on the way
/// says, or if the system does not tell.
pub(crate) fn resolve(path: &Path) -> Result<Place, Error> {
    let mut rest = Vec::new();
    push(&mut rest, &std::path::absolute(path).map_err(Error::file("look at", path))?);
    let mut at = PathBuf::from("/");
    let mut file = look_at(&at)?;
    let mut links = 0;
    while let Some(step) = rest.pop() {
        if step == ".." {
            at.pop();
            file = look_at(&at)?;
            continue;
        }
        let next = at.join(&step);
        let found = match look_at(&next) {
            Err(Error::File { source, .. })
                if source.kind() == io::ErrorKind::NotFound && rest.is_empty() =>
            {
                check_directory(&at, &file, false)?;
                return Ok(Place { path: next, file: None });
            }
            found => found?,
        };
        check_directory(&at, &file, found.is_dir())?;
        if found.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                let source = io::Error::from(nix::errno::Errno::ELOOP);
                return Err(Error::file("look at", path)(source));
            }
            let target = fs::read_link(&next).map_err(Error::file("look at", &next))?;
            if target.is_absolute() {
                at = PathBuf::from("/");
                file = look_at(&at)?;
            }
            push(&mut rest, &target);
        } else {
            (at, file) = (next, found);
        }
    }
    Ok(Place { path: at, file: Some(file) })
}

/// Refuses a file that others than its owner may write.
pub(crate) fn check_file(path: &Path, file: &Metadata) -> Result<(), Error> {
    if file.mode() & OTHERS_WRITE != 0 && !is_read_only(path) {
        return Err(Error::open_to_others(path));
    }
    Ok(())
}

/// Refuses a directory in which others may put something in the place of what was found there. In a sticky directory they
/// cannot do that to a directory; to a link or a file, they can once it is removed.
fn check_directory(path: &Path, directory: &Metadata, to_directory: bool) -> Result<(), Error> {
    let mode = directory.mode();
    let is_closed = mode & OTHERS_WRITE == 0 || (mode & STICKY != 0 && to_directory);
    // Kubernetes mounts secrets in a directory that everybody might write to, but read-only.
    if is_closed || is_read_only(path) { Ok(()) } else { Err(Error::open_to_others(path)) }
}

/// The file or directory there, links not followed; it must belong to root or to this user.
fn look_at(path: &Path) -> Result<Metadata, Error> {
    let found = fs::symlink_metadata(path).map_err(Error::file("look at", path))?;
    check_owner(path, &found)?;
    Ok(found)
}

/// Refuses what belongs neither to root nor to the user of this process.
pub(crate) fn check_owner(path: &Path, found: &Metadata) -> Result<(), Error> {
    let (owner, user) = (found.uid(), geteuid().as_raw());
    if owner == 0 || owner == user {
        return Ok(());
    }
    let problem = format!(
        "it belongs to the user {owner}, who could let anybody in; chown it to root or to the user {user}, who runs this"
    );
    Err(Error::Untrusted { path: path.to_owned(), problem })
}

/// Whether nobody can write there, whatever the permissions say.
fn is_read_only(path: &Path) -> bool {
    statvfs(path).is_ok_and(|system| system.flags().contains(FsFlags::ST_RDONLY))
}

/// Puts the steps of a path on the stack of what is to be followed, the first on top.
fn push(rest: &mut Vec<OsString>, path: &Path) {
    let steps = path.components().rev().filter_map(|step| match step {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::new("..").to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    rest.extend(steps);
}

#[cfg(test)]
mod tests;
