//! What a start finds, so that one that fails leaves no more than that.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{lock, stand_in};

/// The directories that were not there, the innermost first.
#[derive(Debug)]
pub(crate) struct Beginning {
    missing: Vec<PathBuf>,
    had_lock: bool,
    had_stand_ins: bool,
}

impl Beginning {
    /// Looks before anything is made.
    pub(crate) fn look(data_dir: &Path) -> Self {
        let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        let is_missing = |path: &&Path| fs::symlink_metadata(path).is_err();
        let missing = data_dir.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        let had_lock = lock::path(&data_dir).exists();
        Self { missing, had_lock, had_stand_ins: Path::new(stand_in::ROOT).exists() }
    }

    /// Takes back what was made for the canonical `data_dir`, whose lock we have, if it came to nothing.
    ///
    /// Whoever waits for the lock sees that it is gone.
    pub(crate) fn take_back(&self, data_dir: &Path) {
        stand_in::take_back(Path::new(stand_in::ROOT), data_dir);
        if !self.had_stand_ins {
            // There may be others by now.
            let _ = fs::remove_dir(stand_in::ROOT);
        }
        if self.had_lock || !holds_only(data_dir, &["lock"]) {
            return;
        }
        let _ = fs::remove_file(lock::path(data_dir));
        for directory in &self.missing {
            if fs::remove_dir(directory).is_err() {
                return;
            }
        }
    }
}

/// Whether nothing but these files is in a directory.
pub(crate) fn holds_only(directory: &Path, names: &[&str]) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|it| names.iter().any(|name| it.file_name() == *name)))
    })
}
