//! The directory, and the files in it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::{Error, directory};

/// Only the owner reads what people sent.
pub(crate) const FILE_MODE: u32 = 0o600;

/// A link in the place of a file is refused.
pub(crate) const NO_LINKS: i32 = OFlag::O_NOFOLLOW.bits();

/// What may belong to a SQLite database, by the ends of their names; the database itself last.
const PARTS: [&str; 4] = ["-wal", "-shm", "-journal", ""];

/// Where a spool is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    directory: PathBuf,
}

impl Place {
    /// The directory, made if it is not there, for us alone.
    pub(crate) fn prepare(directory: &Path) -> Result<Self, Error> {
        directory::prepare(directory).map(|directory| Self { directory })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join("spool.sqlite3")
    }

    /// Its write-ahead log.
    pub(crate) fn wal(&self) -> PathBuf {
        self.directory.join("spool.sqlite3-wal")
    }

    /// The database that is being made from a malformed one.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.directory.join("unfinished.sqlite3")
    }

    /// The same one, complete and on the disk.
    pub(crate) fn salvaged(&self) -> PathBuf {
        self.directory.join("salvaged.sqlite3")
    }

    /// The database file, made if it is not there. SQLite gives its log the same mode.
    pub(crate) fn create_file(&self, path: &Path) -> Result<(), Error> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .custom_flags(NO_LINKS)
            .open(path)
            .map_err(Error::file("create", path))?;
        restrict(path, FILE_MODE)?;
        self.synchronize()
    }

    /// Removes what an interrupted salvage has left.
    pub(crate) fn remove_unfinished(&self) -> Result<(), Error> {
        for part in PARTS {
            let path = with_part(&self.unfinished(), part);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::file("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Declares the salvage finished: from now on the salvaged database is the one that counts.
    pub(crate) fn finish_salvage(&self) -> Result<(), Error> {
        let path = self.unfinished();
        File::open(&path).and_then(|file| file.sync_all()).map_err(Error::file("flush", &path))?;
        rename(&path, &self.salvaged())?;
        self.synchronize()
    }

    /// If there is a salvaged database, keeps the malformed one aside and puts the salvaged one into its place. Returns
    /// where the malformed one is kept.
    ///
    /// It may be interrupted anywhere, and is then carried on by the next opening. The log is away before another
    /// database comes: SQLite would carry one out on the other.
    pub(crate) fn install_salvaged(&self) -> Result<Option<PathBuf>, Error> {
        let leaving = self.directory.join("leaving");
        if self.salvaged().exists() {
            if !leaving.is_dir() {
                DirBuilder::new()
                    .mode(directory::MODE)
                    .create(&leaving)
                    .map_err(Error::file("create", &leaving))?;
            }
            for part in PARTS {
                let from = with_part(&self.database(), part);
                if from.exists() {
                    restrict(&from, FILE_MODE)?;
                    rename(&from, &with_part(&leaving.join("spool.sqlite3"), part))?;
                }
            }
            directory::synchronize(&leaving)?;
            self.synchronize()?;
            rename(&self.salvaged(), &self.database())?;
            self.synchronize()?;
        }
        if !leaving.is_dir() {
            return Ok(None);
        }
        let mut number = 1_u32;
        let mut kept = self.directory.join("damaged-1");
        while kept.exists() {
            number += 1;
            kept = self.directory.join(format!("damaged-{number}"));
        }
        rename(&leaving, &kept)?;
        self.synchronize()?;
        Ok(Some(kept))
    }

    fn synchronize(&self) -> Result<(), Error> {
        directory::synchronize(&self.directory)
    }
}

fn with_part(path: &Path, part: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(part);
    name.into()
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::file("rename", from))
}

/// Opens a file of the directory for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(NO_LINKS).open(path)
}

/// Takes away every permission beyond `mode` from a file that a spool has made.
fn restrict(path: &Path, mode: u32) -> Result<(), Error> {
    let permissions = fs::metadata(path).map_err(Error::file("look at", path))?.permissions();
    if permissions.mode() & 0o777 & !mode == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(Error::file("restrict the mode of", path))
}
