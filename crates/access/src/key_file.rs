//! The file that keys stand in.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound, Utc};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use tempfile::NamedTempFile;

use crate::format::{self, Misfit};
use crate::lock::Lock;
use crate::trusted;
use crate::{Error, Key, KeyId, Order, Secret};

/// The largest key file, in bytes: some ten thousand keys.
const LARGEST: u64 = 4 << 20;

/// A key file, by its path.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
    /// Hears of the lock that a change waits for.
    waiting: fn(&Path),
}

impl KeyFile {
    /// The file at this path, which may not exist yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), waiting: |_lock| {} }
    }

    /// The same file; a change that waits for the lock of another process tells `waiting` the path of that lock.
    #[must_use]
    pub fn telling(self, waiting: fn(&Path)) -> Self {
        Self { waiting, ..self }
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
        if trusted::resolve(&self.path)?.file.is_none() {
            return Err(Error::NoSuchKey { id, path: self.path.clone() });
        }
        self.change(|text, _keys| {
            let missing = || Error::NoSuchKey { id, path: self.path.clone() };
            Ok((format::revoked(text, id, now).ok_or_else(missing)?, ()))
        })
    }

    /// The text of the file, if nobody can have written it but root and this user.
    pub(crate) fn text(&self) -> Result<String, Error> {
        let not_one = || Error::NotAKeyFile { path: self.path.clone(), limit: LARGEST };
        // Looked at before it is opened: opening a pipe waits for somebody to write.
        let place = trusted::resolve(&self.path)?;
        let found = place
            .file
            .ok_or_else(|| Error::file("look at", &self.path)(io::Error::from(Errno::ENOENT)))?;
        if !found.is_file() {
            return Err(not_one());
        }
        trusted::check_file(&place.path, &found)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let file = options.open(&place.path).map_err(Error::file("read", &self.path))?;
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
        let path = trusted::resolve(&self.path)?.path;
        let directory = path.parent().unwrap_or(Path::new("/"));
        let _lock = Lock::take(&path, self.waiting)?;
        let existing = trusted::resolve(&path)?.file;
        let text = if existing.is_some() { self.text()? } else { String::new() };
        let (text, made) = change(&text, &self.parse(&text)?)?;
        // What cannot be read again would lock everybody out.
        self.parse(&text)?;
        replace(&path, directory, existing.as_ref(), &text).map_err(Error::file("write", &path))?;
        let flushed = File::open(directory).and_then(|directory| directory.sync_all());
        flushed.map_err(Error::file("flush", directory))?;
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
