//! One service per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use crate::Error;

/// The lock on a data directory, held until dropped.
///
/// It is an advisory lock on an open file: the system frees it when the process ends, however it ends.
/// Rust opens files close-on-exec, so PostgreSQL does not inherit it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of `data_dir` and leaves our process id in it, or fails at once.
    pub(crate) fn take(data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // An unreadable holder is an unknown one.
                let _ = file.read_to_string(&mut holder);
                let pid = holder.trim().parse().ok();
                return Err(Error::InUse { directory: data_dir.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(Error::file("lock", &path)(source)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(Error::file("write", &path))?;
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
