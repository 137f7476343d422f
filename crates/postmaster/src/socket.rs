//! The directory of the Unix socket.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::account::Account;

/// The number in the socket's name, `.s.PGSQL.5432`; no TCP port is opened.
pub(crate) const PORT: u16 = 5432;

/// Where its directory is if the data directory cannot have it.
const ELSEWHERE: &str = "/tmp";

/// Where the system gives random bytes.
const RANDOM: &str = "/dev/urandom";

/// Longest directory, in bytes: a socket's path may have 107, and `/.s.PGSQL.5432` takes 14 of them.
const LONGEST: usize = 85;

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
    let new = Path::new(ELSEWHERE).join(random_name().map_err(Error::file("read", RANDOM))?);
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

/// A name that nobody can guess.
fn random_name() -> io::Result<String> {
    let mut random = [0; 8];
    File::open(RANDOM)?.read_exact(&mut random)?;
    Ok(format!("onrecord-{:016x}", u64::from_ne_bytes(random)))
}

fn is_plain(path: &Path) -> bool {
    path.as_os_str()
        .as_bytes()
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(byte))
}

/// Creates the directory, for `account` alone, or makes sure that it is so: a link, or a directory of another user, is
/// refused.
fn own(directory: &Path, account: &Account) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::file("create", directory)(error)),
    }
    let metadata = fs::symlink_metadata(directory).map_err(Error::file("look at", directory))?;
    // Ours from a moment ago, as root, and not handed over yet.
    let handed_over = !(account.is_switched() && metadata.uid() == 0);
    if !metadata.is_dir() || (handed_over && metadata.uid() != account.uid()) {
        let user = account.name().to_owned();
        return Err(Error::UnsafeSocketDirectory { directory: directory.to_owned(), user });
    }
    fs::set_permissions(directory, Permissions::from_mode(0o700))
        .and_then(|()| account.own(directory))
        .map_err(Error::file("protect", directory))
}

/// The socket in its directory.
pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join(format!(".s.PGSQL.{PORT}"))
}

/// Removes what a PostgreSQL that was killed left in the directory.
pub(crate) fn sweep(directory: &Path) -> Result<(), Error> {
    for name in [format!(".s.PGSQL.{PORT}"), format!(".s.PGSQL.{PORT}.lock")] {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::file("remove", path)(error));
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

    #[test]
    fn no_two_names_are_the_same() {
        assert_ne!(random_name().unwrap(), random_name().unwrap());
    }
}
