//! The directory that stands in for a data directory which PostgreSQL's user may not enter.
//!
//! Each names the other, so that a data directory that is moved finds its record, and a copy of it does not take it over.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tracing::info;

use crate::account::Account;
use crate::beginning::holds_only;
use crate::fingerprint::fingerprint;
use crate::lock::{self, Lock};
use crate::place::CLUSTER;
use crate::pointer;
use crate::{Error, StandInError};

/// Where they are.
pub(crate) const ROOT: &str = "/var/lib/onrecord";

/// The file in the data directory.
pub(crate) const POINTER: &str = "cluster-elsewhere";

const ELSEWHERE: &str = "\
The record of this data directory is not in it, because the user who runs PostgreSQL may not enter here.
A copy or a backup of this directory alone does not hold the record. It is in this directory:";

/// The file in the stand-in.
const BACK: &str = "data-directory";

const BELONGS: &str = "\
This directory holds the record of a data directory that the user who runs PostgreSQL may not enter.
Its file cluster-elsewhere leads here. It is this one:";

/// PostgreSQL's user goes through.
const MODE: u32 = 0o755;

/// A stand-in that belongs to our data directory, and to nobody else as long as this lives.
#[derive(Debug)]
pub(crate) struct StandIn {
    directory: PathBuf,
    _lock: Lock,
}

impl StandIn {
    /// Takes it for this data directory, unless another one that still exists has it.
    pub(crate) fn claim(directory: &Path, data_dir: &Path) -> Result<Self, Error> {
        check_claim(directory, data_dir)?;
        let lock = Lock::take(directory)?;
        // Somebody may have been quicker.
        let before = check_claim(directory, data_dir)?;
        if before.as_deref() != Some(data_dir) {
            if let Some(before) = before {
                info!(
                    "the data directory {} is {} now; its record stays in {}",
                    before.display(),
                    data_dir.display(),
                    directory.display()
                );
            }
            pointer::write(&directory.join(BACK), BELONGS, data_dir)?;
        }
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    /// Has the data directory name it, from when on it must be there.
    pub(crate) fn be_named(&self, data_dir: &Path) -> Result<(), Error> {
        let file = data_dir.join(POINTER);
        match pointer::read(&file)? {
            Some(_) => Ok(()),
            None => pointer::write(&file, ELSEWHERE, &self.directory),
        }
    }
}

/// The stand-in that the data directory names.
pub(crate) fn named(root: &Path, data_dir: &Path) -> Result<Option<PathBuf>, Error> {
    let file = data_dir.join(POINTER);
    let Some(named) = pointer::read(&file)? else { return Ok(None) };
    if named.parent() != Some(root) || named.file_name().is_none() {
        return Err(StandInError::UntrustedPointer { file }.into());
    }
    if fs::symlink_metadata(&named).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Err(StandInError::MissingCluster {
            data_dir: data_dir.to_owned(),
            stand_in: named,
        }
        .into());
    }
    check(root)?;
    check(&named)?;
    Ok(Some(named))
}

/// The stand-in of a data directory that names none: one that names it; or, from a version that wrote no names, the one
/// with the fingerprint of its path.
pub(crate) fn found(root: &Path, data_dir: &Path) -> Result<Option<PathBuf>, Error> {
    let by_path = root.join(fingerprint(data_dir));
    let all = list(root)?;
    if all.contains(&by_path) {
        check(root)?;
        check(&by_path)?;
        if pointer::read(&by_path.join(BACK))?.is_none_or(|owner| owner == data_dir) {
            return Ok(Some(by_path));
        }
    }
    let names_us = |directory: &PathBuf| {
        let owner = pointer::read(&directory.join(BACK)).ok().flatten();
        owner.is_some_and(|owner| owner == data_dir)
    };
    let Some(found) = all.iter().find(|directory| names_us(directory)) else { return Ok(None) };
    check(root)?;
    check(found)?;
    Ok(Some(found.clone()))
}

/// The stand-ins with a cluster that name no data directory, from a version that wrote no names.
pub(crate) fn nameless(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut all = list(root)?;
    all.retain(|directory| {
        directory.join(CLUSTER).exists() && matches!(pointer::read(&directory.join(BACK)), Ok(None))
    });
    Ok(all)
}

/// A new stand-in, or one that was begun for this data directory.
pub(crate) fn make(root: &Path, data_dir: &Path, account: &Account) -> Result<PathBuf, Error> {
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    }
    make_open(root)?;
    // One that was there may be closed, and stays as it is.
    if !account.reaches(root)? {
        return Err(StandInError::UnreachableStandIn {
            data_dir: data_dir.to_owned(),
            root: root.to_owned(),
            user: account.name().to_owned(),
        }
        .into());
    }
    let name = fingerprint(data_dir);
    let mut directory = root.join(&name);
    let mut number = 1_u32;
    // A data directory that was moved away from here still has the first.
    while !is_free(&directory, data_dir) {
        number += 1;
        directory = root.join(format!("{name}-{number}"));
    }
    make_open(&directory)?;
    Ok(directory)
}

fn is_free(directory: &Path, data_dir: &Path) -> bool {
    let owner = pointer::read(&directory.join(BACK));
    fs::symlink_metadata(directory.join(CLUSTER)).is_err()
        && owner.is_ok_and(|owner| owner.is_none_or(|owner| owner == data_dir))
}

/// Makes a directory that everybody may enter, whatever our mask.
fn make_open(directory: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(MODE).create(directory) {
        Ok(()) => fs::set_permissions(directory, Permissions::from_mode(MODE))
            .map_err(Error::file("open", directory)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check(directory),
        Err(error) => Err(Error::file("create", directory)(error)),
    }
}

/// Refuses a directory in which others may put another cluster in the place of ours. Where all of them are may be a link.
fn check(directory: &Path) -> Result<(), Error> {
    let failed = || Error::file("look at", directory);
    let metadata = fs::metadata(directory).map_err(failed())?;
    let is_safe = metadata.is_dir()
        && [0, geteuid().as_raw()].contains(&metadata.uid())
        && metadata.mode() & 0o022 == 0;
    if is_safe {
        Ok(())
    } else {
        Err(StandInError::UnsafeStandIn { directory: directory.to_owned() }.into())
    }
}

/// Every directory in the root, in a fixed order; none if we may not look, as then none of them is ours.
fn list(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(root) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(Error::file("list", root))?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file("list", root))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            all.push(entry.path());
        }
    }
    all.sort();
    Ok(all)
}

/// The data directory that the stand-in names, unless that is another one which has it still.
fn check_claim(directory: &Path, data_dir: &Path) -> Result<Option<PathBuf>, Error> {
    let owner = pointer::read(&directory.join(BACK))?;
    if let Some(original) = &owner
        && has_still(original, directory, data_dir)?
    {
        return Err(StandInError::CopiedDirectory {
            data_dir: data_dir.to_owned(),
            original: original.clone(),
            stand_in: directory.to_owned(),
        }
        .into());
    }
    Ok(owner)
}

/// Whether a data directory that a stand-in names is another one than ours, and still there.
fn has_still(original: &Path, directory: &Path, data_dir: &Path) -> Result<bool, Error> {
    let there = match fs::metadata(original) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        there => there.map_err(Error::file("look at", original))?,
    };
    let here = fs::metadata(data_dir).map_err(Error::file("look at", data_dir))?;
    let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    if identity(&there) == identity(&here) {
        return Ok(false);
    }
    Ok(match pointer::read(&original.join(POINTER))? {
        Some(named) => named == directory,
        // It was interrupted before it could name it.
        None => lock::path(original).exists(),
    })
}

/// Removes a stand-in that names this data directory and holds nothing.
pub(crate) fn take_back(root: &Path, data_dir: &Path) {
    let Ok(Some(directory)) = found(root, data_dir) else { return };
    if holds_only(&directory, &["lock", BACK]) {
        // What cannot be removed is taken up by the next start.
        let _ = fs::remove_file(directory.join(BACK));
        let _ = fs::remove_file(lock::path(&directory));
        let _ = fs::remove_dir(&directory);
    }
}
