//! One service per data directory.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::Error;

/// How long a lock may be held by nobody. A service that is killed while it starts a program leaves a
/// copy of itself that holds the lock until it has become that program.
const LINGER: Duration = Duration::from_secs(1);

/// The words behind the process id. A lock without it was last held by a version that did not say where the record is.
const WORDS: &str = "If the record is not beside this file, cluster-elsewhere says where it is.";

/// The lock on a data directory, held until dropped.
///
/// It is an advisory lock on an open file: the system frees it when the process ends, however it ends.
/// Rust opens files close-on-exec, so PostgreSQL does not inherit it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    was_held_before: bool,
}

/// Where the lock of a data directory is.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("lock")
}

impl Lock {
    /// Takes the lock of `data_dir` and leaves our process id in it, or fails within [`LINGER`].
    pub(crate) fn take(data_dir: &Path) -> Result<Self, Error> {
        let path = path(data_dir);
        let give_up = Instant::now() + LINGER;
        let mut file = loop {
            let file = Self::wait_for(data_dir, &path, give_up)?;
            // Whoever had it may have failed, and have taken back what they had made.
            if is_at(&file, &path) {
                break file;
            }
        };
        let before = read(&mut file).map_err(Error::file("read", &path))?;
        let was_held_before = !before.is_empty() && !before.contains(WORDS);
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}\n{WORDS}", std::process::id()))
            .map_err(Error::file("write", &path))?;
        Ok(Self { file, was_held_before })
    }

    fn wait_for(data_dir: &Path, path: &Path, give_up: Instant) -> Result<File, Error> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // What it leads to would be overwritten.
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
            .map_err(|source| not_opened(data_dir, path, source))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Err(in_use(data_dir, &mut file)),
                Err(TryLockError::Error(source)) => {
                    return Err(Error::file("lock", path)(source));
                }
            }
        }
    }

    /// Fails if somebody holds the lock of `data_dir` now. It makes nothing, and keeps nothing.
    pub(crate) fn look(data_dir: &Path) -> Result<(), Error> {
        let path = path(data_dir);
        match OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(&path) {
            Ok(mut file) => match file.try_lock_shared() {
                Ok(()) => Ok(()),
                Err(TryLockError::WouldBlock) => Err(in_use(data_dir, &mut file)),
                Err(TryLockError::Error(source)) => Err(Error::file("lock", path)(source)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(not_opened(data_dir, &path, source)),
        }
    }

    /// Whether a version that did not say where the record is has held it last.
    pub(crate) fn was_held_before(&self) -> bool {
        self.was_held_before
    }
}

/// The lock is held, by whom the file says; an unreadable holder is an unknown one.
fn in_use(data_dir: &Path, file: &mut File) -> Error {
    let holder = read(file).unwrap_or_default();
    let pid = holder.lines().next().and_then(|pid| pid.trim().parse().ok());
    Error::InUse { directory: data_dir.to_owned(), pid }
}

/// The reason why the lock could not be opened: most often that another user has made it, or the directory.
pub(crate) fn not_opened(data_dir: &Path, path: &Path, source: io::Error) -> Error {
    let is_refused =
        matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
    let owner = fs::metadata(path).or_else(|_| fs::metadata(data_dir)).map(|it| it.uid());
    match owner {
        Ok(owner) if is_refused => {
            let (directory, ours) = (data_dir.to_owned(), geteuid().as_raw());
            Error::NotWritable { directory, owner, ours, source }
        }
        _ => Error::file("open", path)(source),
    }
}

/// Whether this file is still the one with that name.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let ours = file.metadata().map(identity);
    let named = fs::symlink_metadata(path).map(identity);
    ours.ok().zip(named.ok()).is_some_and(|(ours, named)| ours == named)
}

fn read(file: &mut File) -> io::Result<String> {
    let mut content = String::new();
    file.rewind()?;
    file.read_to_string(&mut content)?;
    Ok(content)
}

impl Drop for Lock {
    /// Frees it in so many words: closing the file would not yet, while a child that another thread
    /// has just forked still shares it.
    fn drop(&mut self) {
        // Closing the file is what remains.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_refused_and_names_the_holder() {
        let directory = tempfile::tempdir().unwrap();
        let _held = Lock::take(directory.path()).unwrap();
        let refused = Lock::take(directory.path()).unwrap_err();
        let own = Some(std::process::id());
        assert!(matches!(refused, Error::InUse { pid, .. } if pid == own), "{refused:?}");
    }

    #[test]
    fn a_lock_that_was_taken_away_meanwhile_is_not_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let held = Lock::take(directory.path()).unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| Lock::take(directory.path()));
            thread::sleep(LINGER / 10);
            fs::remove_file(path(directory.path())).unwrap();
            drop(held);
            let second = second.join().unwrap().unwrap();
            assert!(is_at(&second.file, &path(directory.path())));
        });
    }

    #[test]
    fn a_lock_that_is_about_to_be_freed_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let held = Lock::take(directory.path()).unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| Lock::take(directory.path()));
            thread::sleep(LINGER / 10);
            drop(held);
            second.join().unwrap().unwrap();
        });
    }
}
