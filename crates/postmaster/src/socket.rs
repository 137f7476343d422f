//! The directory of the Unix socket.

use std::fs::{self, DirBuilder, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::account::Account;
use crate::cluster::Cluster;
use crate::random::random_hex;

/// The number in the socket's name, `.s.PGSQL.5432`, where no TCP port is opened.
pub(crate) const PORT: u16 = 5432;

/// The head of the names of sockets and of the files that lock them.
const HEAD: &str = ".s.PGSQL.";

/// Where its directory is if the data directory cannot have it.
const ELSEWHERE: &str = "/tmp";

/// Longest directory, in bytes: a socket's path may have 107, and `/.s.PGSQL.5432` takes 14 of them.
const LONGEST: usize = 85;

/// Nobody else enters what we make.
const MODE: u32 = 0o700;

/// The link to the socket's directory, if that is elsewhere.
const LINK: &str = "socket-directory";

/// The directory of the socket, for `account` alone: in `place` if a shell and a socket can take its path as it is,
/// else in `/tmp`.
///
/// There anybody may have been first: one that is not ours is passed over for one with a random name, which is
/// remembered in `place`. (`$XDG_RUNTIME_DIR` is removed when its user logs out, which the service may survive.)
pub(crate) fn prepare(place: &Path, account: &Account) -> Result<PathBuf, Error> {
    if let Some(near) = near(place) {
        return own(&near, account).map(|()| near);
    }
    let link = place.join(LINK);
    if let Ok(known) = fs::read_link(&link)
        && known.starts_with(ELSEWHERE)
        && own(&known, account).is_ok()
    {
        return Ok(known);
    }
    let new = Path::new(ELSEWHERE).join(format!("onrecord-{}", random_hex()?));
    own(&new, account)?;
    match fs::remove_file(&link) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::file("remove", link)(error));
        }
        _ => {}
    }
    symlink(&new, &link).map_err(Error::file("create", link))?;
    Ok(new)
}

/// The directory in `place`, if its path is short enough and needs no quotes.
fn near(place: &Path) -> Option<PathBuf> {
    let near = place.join("socket");
    (near.as_os_str().len() <= LONGEST && is_plain(&near)).then_some(near)
}

fn is_plain(path: &Path) -> bool {
    path.as_os_str()
        .as_bytes()
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(byte))
}

/// Creates the directory, for `account` alone, or makes sure that nobody else can write in it: a link, or a directory of
/// another user or open to others, is refused. An existing directory keeps its permissions.
pub(crate) fn own(directory: &Path, account: &Account) -> Result<(), Error> {
    match DirBuilder::new().mode(MODE).create(directory) {
        Ok(()) => return account.own(directory).map_err(Error::file("hand over", directory)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::file("create", directory)(error)),
    }
    let metadata = fs::symlink_metadata(directory).map_err(Error::file("look at", directory))?;
    if is_of(&metadata, account.uid()) {
        return Ok(());
    }
    // Ours from a moment ago, as root, and not handed over yet.
    let is_new = is_of(&metadata, 0) && metadata.mode() & 0o7777 == MODE && is_empty(directory);
    if account.is_switched() && is_new {
        return account.own(directory).map_err(Error::file("hand over", directory));
    }
    let user = account.name().to_owned();
    Err(Error::UnsafeSocketDirectory { directory: directory.to_owned(), user })
}

/// Whether it is a directory in which this user, and nobody else but root, may write.
fn is_of(metadata: &Metadata, user: u32) -> bool {
    metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o022 == 0
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// The findings where PostgreSQL has made its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A socket of its user, in a directory in which nobody else may write.
    Ours,
    /// No socket.
    Nothing,
    /// A directory of somebody else.
    Foreign,
}

/// Looks for the socket of a PostgreSQL that runs.
pub(crate) fn look(cluster: &Cluster) -> Found {
    let user = cluster.account.uid();
    match fs::symlink_metadata(&cluster.socket_dir) {
        Ok(directory) if !is_of(&directory, user) => return Found::Foreign,
        _ => {}
    }
    match fs::symlink_metadata(path(cluster)) {
        Ok(socket) if socket.file_type().is_socket() && socket.uid() == user => Found::Ours,
        _ => Found::Nothing,
    }
}

/// The socket.
pub(crate) fn path(cluster: &Cluster) -> PathBuf {
    cluster.socket_dir.join(format!("{HEAD}{}", cluster.port()))
}

/// Removes what a PostgreSQL that was killed left in the directory.
pub(crate) fn sweep(directory: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(directory).map_err(Error::file("list", directory))? {
        let entry = entry.map_err(Error::file("list", directory))?;
        if !entry.file_name().as_bytes().starts_with(HEAD.as_bytes()) {
            continue;
        }
        match fs::remove_file(entry.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::file("remove", entry.path())(error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_plain_path_holds_its_socket() {
        let place = Path::new("/srv/on-record_1.0");
        assert_eq!(near(place), Some(place.join("socket")));
    }

    #[test]
    fn a_path_that_would_need_quotes_does_not() {
        for place in ["/srv/a b", "/srv/it's", "/srv/ü"] {
            assert_eq!(near(Path::new(place)), None, "{place}");
        }
    }

    #[test]
    fn a_long_path_does_not() {
        let longest = format!("/{}", "x".repeat(LONGEST - "//socket".len()));
        assert!(near(Path::new(&longest)).is_some());
        assert_eq!(near(Path::new(&format!("{longest}x"))), None);
    }
}
