//! The directory of the Unix socket.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::account::Account;

/// The number in the socket's name, `.s.PGSQL.5432`; no TCP port is opened.
pub(crate) const PORT: u16 = 5432;

/// Longest directory, in bytes: a socket's path may have 107, and `/.s.PGSQL.5432` takes 14 of them.
const LONGEST: usize = 85;

/// Where the socket goes: into `place` if a shell and a socket can take its path as it is, else into `/tmp`.
pub(crate) fn directory(place: &Path, fingerprint: &str) -> PathBuf {
    let near = place.join("socket");
    if near.as_os_str().len() <= LONGEST && is_plain(&near) {
        near
    } else {
        Path::new("/tmp").join(format!("onrecord-{fingerprint}"))
    }
}

fn is_plain(path: &Path) -> bool {
    path.as_os_str()
        .as_bytes()
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(byte))
}

/// Creates the directory, for `account` alone, or makes sure that it is so.
///
/// In `/tmp` anybody may have been here first: a link, or a directory of another user, is refused.
pub(crate) fn prepare(directory: &Path, account: &Account) -> Result<(), Error> {
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

    fn check(place: &str, expected: &str) {
        assert_eq!(directory(Path::new(place), "0123"), Path::new(expected));
    }

    #[test]
    fn a_short_plain_path_holds_its_socket() {
        check("/srv/on-record_1.0", "/srv/on-record_1.0/socket");
    }

    #[test]
    fn a_path_that_would_need_quotes_does_not() {
        check("/srv/a b", "/tmp/onrecord-0123");
        check("/srv/it's", "/tmp/onrecord-0123");
        check("/srv/ü", "/tmp/onrecord-0123");
    }

    #[test]
    fn a_long_path_does_not() {
        let longest = format!("/{}", "x".repeat(LONGEST - "//socket".len()));
        check(&longest, &format!("{longest}/socket"));
        check(&format!("{longest}x"), "/tmp/onrecord-0123");
    }
}
