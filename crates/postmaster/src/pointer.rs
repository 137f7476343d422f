//! The files by which a data directory and its stand-in name each other: some words for people, an empty line, a path.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::{Error, StandInError, whole};

/// Nobody has a longer path.
const LONGEST: u64 = 64 << 10;

/// The path in such a file, if the file is there. A file that others could have written is refused.
pub(crate) fn read(file: &Path) -> Result<Option<PathBuf>, Error> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    let opened = match options.open(file) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        opened => opened.map_err(Error::file("open", file))?,
    };
    let metadata = opened.metadata().map_err(Error::file("look at", file))?;
    let is_ours = [0, geteuid().as_raw()].contains(&metadata.uid());
    let mut content = Vec::new();
    if is_ours && metadata.is_file() && metadata.mode() & 0o022 == 0 {
        let mut opened = opened.take(LONGEST);
        opened.read_to_end(&mut content).map_err(Error::file("read", file))?;
    }
    let path = path_in(&content).filter(|path| path.is_absolute());
    match path {
        Some(path) => Ok(Some(path.to_owned())),
        None => Err(StandInError::UntrustedPointer { file: file.to_owned() }.into()),
    }
}

/// The path behind the first empty line. Somebody who writes the file by hand may leave out the words.
fn path_in(content: &[u8]) -> Option<&Path> {
    let words = content.windows(2).position(|pair| pair == b"\n\n");
    let path = words.map_or(content, |words| &content[words + 2..]);
    let path = path.strip_suffix(b"\n").unwrap_or(path);
    (!path.is_empty()).then(|| Path::new(OsStr::from_bytes(path)))
}

/// Writes such a file.
pub(crate) fn write(file: &Path, words: &str, path: &Path) -> Result<(), Error> {
    let content = [words.as_bytes(), b"\n\n", path.as_os_str().as_bytes(), b"\n"].concat();
    whole::write(file, &content, 0o644)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_was_written_is_read_whatever_the_path() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("pointer");
        assert_eq!(read(&file).unwrap(), None);
        let strange = OsStr::from_bytes(b"/a b\n\n\xff\n");
        for path in [Path::new("/srv/data"), Path::new(strange)] {
            write(&file, "Words for people,\nin lines.", path).unwrap();
            assert_eq!(read(&file).unwrap().as_deref(), Some(path));
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_alone_will_do() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("pointer");
        fs::write(&file, "/srv/data\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read(&file).unwrap().as_deref(), Some(Path::new("/srv/data")));
    }

    #[test]
    fn what_others_could_have_written_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("pointer");
        let refused =
            || matches!(read(&file), Err(Error::StandIn(StandInError::UntrustedPointer { .. })));
        write(&file, "Words.", Path::new("/srv/data")).unwrap();
        for mode in [0o664, 0o646] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert!(refused(), "{mode:o}");
        }
        for content in ["", "\n", "Words.\n\n", "Words.\n\nnot/absolute\n"] {
            fs::write(&file, content).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
            assert!(refused(), "{content:?}");
        }
        let elsewhere = home.path().join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        assert!(matches!(read(&file), Err(Error::File { action: "open", .. })));
    }
}
