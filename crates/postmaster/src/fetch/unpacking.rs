//! Unpacking a package: what PostgreSQL needs of it, and nothing outside of one directory.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Cursor, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

use super::archive::Archive;
use super::pins::Kind;
use crate::Error;
use crate::stop::Stop;

/// More than any package holds.
const LARGEST: u64 = 400_000_000;

/// The file of npm's package that lists the links which npm does not pack, and the directory that it counts from.
const LINKS: (&str, &str) = ("package/native/pg-symlinks.json", "package");

/// Unpacks it into an empty directory, for everybody to read and nobody else to write; returns how many files that makes.
pub(crate) fn unpack(archive: &Archive, directory: &Path, stop: &Stop) -> Result<usize, Error> {
    let mut target = Target { directory, left: LARGEST, n_files: 0, stop };
    match archive.package.kind {
        Kind::Wheel => unzip(&archive.content, &mut target),
        Kind::Npm => untar(&archive.content, &mut target).and_then(|()| link(directory)),
    }?;
    Ok(target.n_files)
}

fn unzip(content: &[u8], target: &mut Target<'_>) -> Result<(), Error> {
    let broken = |error: zip::result::ZipError| Error::unpack("the archive")(error.into());
    let mut archive = zip::ZipArchive::new(Cursor::new(content)).map_err(broken)?;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(broken)?;
        if file.is_dir() {
            continue;
        }
        let name = file.name().map_err(broken)?.into_owned();
        if file.is_symlink() {
            return Err(refused(&name, "it is a link"));
        }
        let mode = file.unix_mode().unwrap_or_default();
        target.put(&name, mode, &mut file)?;
    }
    Ok(())
}

fn untar(content: &[u8], target: &mut Target<'_>) -> Result<(), Error> {
    let broken = || Error::unpack("the archive");
    let mut archive = tar::Archive::new(GzDecoder::new(content));
    for file in archive.entries().map_err(broken())? {
        let mut file = file.map_err(broken())?;
        let name = String::from_utf8_lossy(&file.path_bytes()).into_owned();
        let kind = file.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        if !kind.is_file() {
            return Err(refused(&name, "it is no file"));
        }
        let mode = file.header().mode().map_err(broken())?;
        target.put(&name, mode, &mut file)?;
    }
    Ok(())
}

/// Makes the links that npm's package lists, each to a file beside it.
fn link(directory: &Path) -> Result<(), Error> {
    let (list, from) = LINKS;
    let list = directory.join(list);
    let text = fs::read_to_string(&list).map_err(Error::file("read", &list))?;
    let links: Value = serde_json::from_str(&text)
        .map_err(|error| Error::unpack(&list.display().to_string())(error.into()))?;
    for entry in links.as_array().into_iter().flatten() {
        let path = |key: &str| inside(entry[key].as_str().unwrap_or_default());
        let (Some(source), Some(target)) = (path("source"), path("target")) else {
            return Err(refused(&entry.to_string(), "it leads elsewhere"));
        };
        match source.file_name().filter(|_| source.parent() == target.parent()) {
            Some(name) => {
                let target = directory.join(from).join(target);
                symlink(name, &target).map_err(Error::file("link", &target))?;
            }
            None => return Err(refused(&entry.to_string(), "it leads elsewhere")),
        }
    }
    Ok(())
}

/// Where the files go, and how much room is left for them.
struct Target<'a> {
    directory: &'a Path,
    left: u64,
    n_files: usize,
    stop: &'a Stop,
}

impl Target<'_> {
    /// Writes one file, if PostgreSQL needs it.
    fn put(&mut self, name: &str, mode: u32, content: &mut impl Read) -> Result<(), Error> {
        self.stop.check()?;
        let path = inside(name).ok_or_else(|| refused(name, "its name leads elsewhere"))?;
        if !is_needed(&path) {
            return Ok(());
        }
        let path = self.directory.join(path);
        if let Some(parent) = path.parent() {
            make_directory(parent)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::file("create", &path))?;
        let written =
            io::copy(&mut content.take(self.left + 1), &mut file).map_err(Error::unpack(name))?;
        self.left =
            self.left.checked_sub(written).ok_or_else(|| refused(name, "it is too large"))?;
        let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        file.set_permissions(Permissions::from_mode(mode)).map_err(Error::file("open", &path))?;
        self.n_files += 1;
        Ok(())
    }
}

/// Makes a directory that everybody may enter, whatever our mask, and those that it is in.
pub(crate) fn make_directory(directory: &Path) -> Result<(), Error> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_directory(parent)?;
    }
    fs::create_dir(directory)
        .and_then(|()| fs::set_permissions(directory, Permissions::from_mode(0o755)))
        .map_err(Error::file("create", directory))
}

/// The path of a name in an archive, unless it leads out of where that is unpacked.
fn inside(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_inside && !name.is_empty() && !name.contains(['\\', '\0'])).then(|| path.to_owned())
}

/// Neither what compiles against PostgreSQL nor what Python or Node would run.
fn is_needed(path: &Path) -> bool {
    let is_source = path.extension().is_some_and(|it| it == "a" || it == "py" || it == "js");
    !is_source && path.components().all(|part| part.as_os_str() != "include")
}

fn refused(name: &str, why: &'static str) -> Error {
    Error::unpack(name)(io::Error::other(why))
}

#[cfg(test)]
mod tests;
