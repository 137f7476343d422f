//! The file that keys stand in.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound, Utc};
use tempfile::NamedTempFile;

use crate::format::{self, Misfit};
use crate::{Error, Key, KeyId, Order, Secret};

/// The largest key file, in bytes: some ten thousand keys.
const LARGEST: u64 = 4 << 20;

/// A key file, by its path.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The file at this path, which may not exist yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its keys, in their order.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, or holds something else than keys.
    pub fn keys(&self) -> Result<Vec<Key>, Error> {
        self.parse(&self.text()?)
    }

    /// Whether others than its owner may change it, and so let themselves in.
    ///
    /// # Errors
    ///
    /// Fails if the system does not say.
    pub fn others_may_write(&self) -> Result<bool, Error> {
        let metadata = fs::metadata(&self.path).map_err(Error::file("look at", &self.path))?;
        Ok(metadata.mode() & 0o022 != 0)
    }

    /// Makes a key and adds it; makes the file if there is none.
    ///
    /// # Errors
    ///
    /// Fails if the file holds something else than keys, or cannot be replaced.
    pub fn add(&self, order: Order) -> Result<Secret, Error> {
        self.change(|text, keys| {
            let taken: HashSet<_> = keys.iter().map(|key| key.id).collect();
            loop {
                let secret = Secret::new()?;
                let Some(id) = secret.id().filter(|id| !taken.contains(id)) else { continue };
                let Order { scopes, name, expires, rate } = order;
                let created = Utc::now().trunc_subsecs(0);
                let digest = secret.digest();
                let key = Key { id, digest, scopes, created, name, expires, revoked: None, rate };
                return Ok((format::with(text, &key), secret));
            }
        })
    }

    /// Revokes a key; one that was revoked before stays so since then.
    ///
    /// # Errors
    ///
    /// Fails if there is no such key, or the file cannot be read or replaced.
    pub fn revoke(&self, id: KeyId, now: DateTime<Utc>) -> Result<(), Error> {
        if !fs::exists(&self.path).map_err(Error::file("look at", &self.path))? {
            return Err(Error::NoSuchKey { id, path: self.path.clone() });
        }
        self.change(|text, _keys| {
            let missing = || Error::NoSuchKey { id, path: self.path.clone() };
            Ok((format::revoked(text, id, now).ok_or_else(missing)?, ()))
        })
    }

    /// What stands in it.
    pub(crate) fn text(&self) -> Result<String, Error> {
        let not_one = || Error::NotAKeyFile { path: self.path.clone(), limit: LARGEST };
        // Looked at before it is opened: opening a pipe waits for somebody to write.
        let metadata = fs::metadata(&self.path).map_err(Error::file("read", &self.path))?;
        if !metadata.is_file() {
            return Err(not_one());
        }
        let file = File::open(&self.path).map_err(Error::file("read", &self.path))?;
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Error::file("read", &self.path))?;
        if bytes.len() as u64 > LARGEST {
            return Err(not_one());
        }
        let what = || "no UTF-8".to_owned();
        String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            Error::Misfit { path: self.path.clone(), line, what: what() }
        })
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Vec<Key>, Error> {
        format::read(text).map_err(|Misfit { line, what }| Error::Misfit {
            path: self.path.clone(),
            line,
            what,
        })
    }

    /// Replaces the text, while nobody else does.
    fn change<T>(
        &self,
        change: impl FnOnce(&str, &[Key]) -> Result<(String, T), Error>,
    ) -> Result<T, Error> {
        // Where the file itself is, if this is a link to it.
        let path = match fs::canonicalize(&self.path) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.clone(),
            Err(error) => return Err(Error::file("look at", &self.path)(error)),
        };
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        // The directory, because the file is replaced by another; freed when it is closed.
        let lock = File::open(directory).map_err(Error::file("open", directory))?;
        lock.lock().map_err(Error::file("lock", directory))?;

        let existing = match fs::metadata(&path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::file("look at", &path)(error)),
        };
        let text = if existing.is_some() { self.text()? } else { String::new() };
        let (text, made) = change(&text, &self.parse(&text)?)?;
        // What cannot be read again would lock everybody out.
        self.parse(&text)?;
        replace(&path, directory, existing.as_ref(), &text).map_err(Error::file("write", &path))?;
        lock.sync_all().map_err(Error::file("flush", directory))?;
        Ok(made)
    }
}

/// Puts a flushed file in its place, with the mode and owner of the one before; of a new one, nobody else may read it.
fn replace(
    path: &Path,
    directory: &Path,
    existing: Option<&fs::Metadata>,
    text: &str,
) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(directory)?;
    if let Some(existing) = existing {
        let ours = file.as_file().metadata()?;
        if (ours.uid(), ours.gid()) != (existing.uid(), existing.gid()) {
            fchown(file.as_file(), Some(existing.uid()), Some(existing.gid()))?;
        }
        file.as_file().set_permissions(fs::Permissions::from_mode(existing.mode() & 0o7777))?;
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests;
