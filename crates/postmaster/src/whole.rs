//! Files that are written whole, or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// Writes a file with these permissions, whatever our mask. Until it is complete and on the disk, the one before stands.
pub(crate) fn write(file: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let unfinished = PathBuf::from(name);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::file("remove", unfinished)(error));
        }
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut new = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&unfinished)
        .map_err(Error::file("create", &unfinished))?;
    new.set_permissions(Permissions::from_mode(mode))
        .and_then(|()| new.write_all(content))
        .and_then(|()| new.sync_all())
        .map_err(Error::file("write", &unfinished))?;
    fs::rename(&unfinished, file).map_err(Error::file("name", file))?;
    let directory = file.parent().unwrap_or(file);
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::file("sync", directory))
}
