//! The lock of those who change a key file: a file of its own, which nobody else can open and so nobody else can hold.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::{Error, trusted};

/// After how long somebody is told what is waited for.
const SILENT: Duration = Duration::from_millis(500);

/// For how long the lock is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is tried.
const INTERVAL: Duration = Duration::from_millis(20);

/// The mode of the lock file: to hold the lock of a file, it is enough to be able to read it.
const MODE: u32 = 0o600;

/// The lock of a key file, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "an open file holds the lock")] File);

impl Lock {
    /// Takes the lock of the key file at this place, which has no links and is in a directory that is trusted.
    ///
    /// # Errors
    ///
    /// Fails if another process holds the lock for [`PATIENCE`], after `waiting` was told the lock's path.
    pub(crate) fn take(keys: &Path, waiting: fn(&Path)) -> Result<Self, Error> {
        let path = path_of(keys);
        let file = open(&path)?;
        let started = Instant::now();
        let mut is_told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(Error::file("lock", path)(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if started.elapsed() >= PATIENCE {
                return Err(Error::Locked { path, keys: keys.to_owned() });
            }
            if !is_told && started.elapsed() >= SILENT {
                waiting(&path);
                is_told = true;
            }
            sleep(INTERVAL);
        }
    }
}

/// The path of the lock: `.keys.toml.lock` beside `keys.toml`.
fn path_of(keys: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(keys.file_name().unwrap_or_default());
    name.push(".lock");
    keys.with_file_name(name)
}

/// Opens the lock file, which stays where it is: two who made it anew each time could hold two locks.
///
/// It belongs to the owner of the directory, who like root may replace the key file.
fn open(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE);
    options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    let file = options.open(path).map_err(Error::file("open the lock", path))?;
    let failed = || Error::file("look at", path);
    let found = file.metadata().map_err(failed())?;
    trusted::check_owner(path, &found)?;
    if found.mode() & 0o777 != MODE {
        file.set_permissions(fs::Permissions::from_mode(MODE)).map_err(failed())?;
    }
    if geteuid().is_root()
        && let Some(directory) = path.parent()
    {
        let owner = fs::metadata(directory).map_err(failed())?.uid();
        fchown(&file, Some(owner), None).map_err(failed())?;
    }
    Ok(file)
}
