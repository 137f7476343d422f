//! A look at the directory of a spool that changes nothing.

use std::fs;
use std::io;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::{Error, directory, home};

/// The findings where a spool is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The directory is there.
    There,
    /// It will be made, as the directory that it would be in can be written.
    ToBeMade,
}

/// Looks whether a spool could be opened in a directory, as far as that can be told without making anything.
///
/// # Errors
///
/// Fails if the directory is one in which [`Spool::open_in`](crate::Spool::open_in) would refuse to open a spool, or if this user may
/// not write there.
pub fn look(directory: &Path) -> Result<Standing, Error> {
    let Ok(there) = fs::canonicalize(directory) else {
        let above = directory.ancestors().skip(1);
        // The last ancestor of a relative path is empty, and means the working directory.
        let above = above.map(|it| if it.as_os_str().is_empty() { Path::new(".") } else { it });
        let above = above.into_iter().find_map(|it| fs::canonicalize(it).ok());
        can_be_written(above.as_deref().unwrap_or(directory))?;
        return Ok(Standing::ToBeMade);
    };
    directory::check(&there)?;
    home::in_directory(there.clone())?;
    can_be_written(&there)?;
    Ok(Standing::There)
}

fn can_be_written(directory: &Path) -> Result<(), Error> {
    let refused = |source| Error::file("write in", directory)(source);
    if !directory.is_dir() {
        return Err(refused(io::ErrorKind::NotADirectory.into()));
    }
    access(directory, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|errno| refused(errno.into()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_that_is_not_there_would_be_made_and_is_not() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(look(home.path()).unwrap(), Standing::There);
        let inner = home.path().join("a/b");
        assert_eq!(look(&inner).unwrap(), Standing::ToBeMade);
        assert!(!home.path().join("a").exists());
    }

    #[test]
    fn what_opening_refuses_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        for refused in [file.clone(), file.join("spool")] {
            let error = look(&refused).unwrap_err();
            assert!(matches!(error, Error::File { .. }), "{error}");
        }
        fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(look(home.path()).unwrap_err(), Error::OpenDirectory { .. }));
    }
}
