//! A look at what a start would find, which changes nothing.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::lock::{self, Lock};
use crate::place::{CLUSTER, existing};
use crate::programs::Programs;
use crate::{Error, Settings, directory, loopback};

/// The findings before a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// Whether the data directory is there; else the start makes it.
    pub is_there: bool,
    /// The major version of the programs that would run; `None` if a start would take them from a package first.
    pub programs: Option<u32>,
}

/// Looks whether a private PostgreSQL could be started, as far as that can be told without making anything.
///
/// # Errors
///
/// Fails if the data directory could not be made, or is one that a start refuses, or if another service holds it; if the machine
/// has no programs for it, and they may not be fetched; and if the TCP port is taken.
pub fn look(settings: &Settings) -> Result<Outlook, Error> {
    let found = fs::canonicalize(&settings.data_dir);
    let is_there = found.is_ok();
    let mut cluster = None;
    match found {
        Ok(data_dir) => {
            let data_dir = directory::judge(data_dir)?;
            can_be_written(&data_dir)
                .map_err(|source| lock::not_opened(&data_dir, &data_dir, source))?;
            Lock::look(&data_dir)?;
            let directory = data_dir.join(CLUSTER);
            cluster = existing_version(&directory).map(|version| (directory, version));
        }
        Err(_) => can_be_made(&settings.data_dir)?,
    }
    let chosen = settings.programs.as_deref();
    let cluster = cluster.as_ref().map(|(directory, version)| (directory.as_path(), *version));
    let can_be_brought = chosen.is_none() && (settings.may_download || settings.archive.is_some());
    let programs = match Programs::find(chosen, env::var_os("PATH").as_deref(), cluster) {
        Ok(programs) => Some(programs.major()),
        Err(Error::NotInstalled { .. } | Error::OtherVersion { .. }) if can_be_brought => None,
        Err(error) => return Err(error),
    };
    settings.port.map_or(Ok(()), loopback::check_free)?;
    Ok(Outlook { is_there, programs })
}

/// The version of the cluster; nothing is taken away, and what a start finds out by that is left to it.
fn existing_version(directory: &Path) -> Option<u32> {
    let is_cluster = directory.join("PG_VERSION").exists();
    is_cluster.then(|| existing(directory).ok().flatten()).flatten().map(|(version, _)| version)
}

fn can_be_made(data_dir: &Path) -> Result<(), Error> {
    let absolute = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let is_there = |path: &&Path| fs::symlink_metadata(path).is_ok();
    let above = absolute.ancestors().find(is_there).unwrap_or(&absolute);
    let made = match fs::metadata(above) {
        Ok(found) if found.is_dir() => can_be_written(above),
        Ok(_) => Err(ErrorKind::NotADirectory.into()),
        Err(error) => Err(error),
    };
    made.map_err(|source| directory::not_created(data_dir, source))
}

fn can_be_written(directory: &Path) -> io::Result<()> {
    Ok(access(directory, AccessFlags::W_OK | AccessFlags::X_OK)?)
}
