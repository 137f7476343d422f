//! One spool per directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::place::{FILE_MODE, NO_LINKS};

/// How long a lock may be held by one who is about to let go: a spool that was dropped a moment ago and still closes, or
/// the copy of a process that has not become another program yet.
const LINGER: Duration = Duration::from_secs(1);

/// The lock on the directory, held until dropped. The system frees it when the process ends, however it ends.
///
/// SQLite locks the database too, but not while a malformed one is replaced by another.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of `directory` and leaves our process id in it, or fails within [`LINGER`].
    pub(crate) fn take(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .custom_flags(NO_LINKS)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        let give_up = Instant::now() + LINGER;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    // An unreadable holder is an unknown one.
                    let _ = file.read_to_string(&mut holder);
                    let pid = holder.trim().parse().ok();
                    return Err(Error::InUse { directory: directory.to_owned(), pid });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(Error::file("lock", &path)(source));
                }
            }
        }
        // On a full disk nobody learns our process id; that is no reason to leave what is spooled alone.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }
}

impl Drop for Lock {
    /// Frees it in so many words: closing the file would not yet, while a child that another thread
    /// has just forked still shares it.
    fn drop(&mut self) {
        // Closing the file is what remains.
        let _ = self.file.unlock();
    }
}
