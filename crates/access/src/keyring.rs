//! The keys that count at the moment.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::digest::Digest;
use crate::failures::Failures;
use crate::rate::Rate;
use crate::secret::{self, id_in};
use crate::{Error, Key, KeyFile, KeyId, Renewal, Scopes, Standing};

/// For how long keys count after their file could be read no more: editors write it in two steps.
const GRACE: Duration = Duration::from_secs(2);

/// The keys of a file.
pub struct Keyring {
    file: KeyFile,
    /// How many requests per second a key may make of which the file does not say it.
    rate: Option<NonZeroU32>,
    failures: Failures,
    state: RwLock<State>,
}

struct State {
    entries: HashMap<KeyId, Entry>,
    /// The hash of the text that they were read from.
    text: Digest,
    broken: Option<Broken>,
    /// When the file could last be read.
    read_at: Instant,
}

struct Entry {
    key: Key,
    rate: Option<Arc<Rate>>,
}

/// The file cannot be read.
struct Broken {
    since: Instant,
    /// What was told of it.
    told: String,
}

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The file cannot be read, so nobody is.
    Unreadable,
    /// No key was shown.
    Missing,
    /// What was shown does not count.
    Bad {
        /// The key that it names, if there is one.
        key: Option<KeyId>,
        /// For the log; the caller must not learn it.
        why: &'static str,
    },
    /// The same, too often.
    TooManyFailures {
        /// The key that was named, if there is one.
        key: Option<KeyId>,
        /// How long until the next attempt is looked at as before.
        wait: Duration,
    },
    /// The key has made too many requests.
    TooFast {
        /// Which key.
        key: KeyId,
        /// How long until the next.
        wait: Duration,
    },
    /// The key is good, but for other things.
    Scope {
        /// Which key.
        key: KeyId,
    },
}

/// What a renewal has changed.
#[derive(Debug)]
pub enum Change {
    /// Nothing.
    None,
    /// There are other keys now.
    Renewed(Renewal),
    /// The file cannot be read; soon nobody is let in.
    Broken(Error),
    /// It can be read again.
    Mended(Renewal),
}

impl Keyring {
    /// Reads the keys; `rate` is the limit of those that have none in the file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or holds something else than keys.
    pub fn open(file: KeyFile, rate: Option<NonZeroU32>) -> Result<Self, Error> {
        let read_at = Instant::now();
        let state = State { entries: HashMap::new(), text: Digest::NOBODYS, broken: None, read_at };
        let ring = Self { file, rate, failures: Failures::new(), state: RwLock::new(state) };
        match ring.renew(ring.look(), Instant::now()) {
            Change::Broken(error) => Err(error),
            Change::None | Change::Renewed(_) | Change::Mended(_) => Ok(ring),
        }
    }

    /// The file that it is read from.
    #[must_use]
    pub fn file(&self) -> &KeyFile {
        &self.file
    }

    /// How many keys there are, whether they count or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().entries.len()
    }

    /// When the file could last be read: every second, unless something is wrong with it or with those who look at it.
    #[must_use]
    pub fn read_at(&self) -> Instant {
        self.read().read_at
    }

    /// Whether there is no key, so that nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the file. What comes of it, also when it takes too long, goes to [`renew`](Self::renew).
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn look(&self) -> Result<String, Error> {
        self.file.text()
    }

    /// Takes what stands in the file now; to be called every second.
    pub fn renew(&self, looked: Result<String, Error>, now: Instant) -> Change {
        self.failures.forget();
        let read = looked.and_then(|text| {
            let hash = Digest::of(text.as_bytes());
            let same = bool::from(self.read().text.is(&hash));
            Ok((hash, if same { None } else { Some(self.file.parse(&text)?) }))
        });
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Err(error) => {
                let told = error.to_string();
                let since = state.broken.as_ref().map_or(now, |broken| broken.since);
                match state.broken.replace(Broken { since, told: told.clone() }) {
                    Some(before) if before.told == told => Change::None,
                    _ => Change::Broken(error),
                }
            }
            Ok((hash, keys)) => {
                let mended = state.broken.take().is_some();
                state.read_at = now;
                let renewed = keys.is_some();
                let mut renewal = Renewal { keys: state.entries.len(), ..Renewal::default() };
                if let Some(keys) = keys {
                    let before = state.entries.values().map(|entry| &entry.key);
                    renewal = Renewal::of(before, &keys, |id| Some(&state.entries.get(&id)?.key));
                    let entries = keys.into_iter().map(|key| (key.id, self.entry(key, &state)));
                    state.entries = entries.collect();
                    state.text = hash;
                }
                match renewal {
                    renewal if mended => Change::Mended(renewal),
                    renewal if renewed => Change::Renewed(renewal),
                    _ => Change::None,
                }
            }
        }
    }

    /// A key with its limiter: that of before, so that a change of the file gives nobody new requests.
    fn entry(&self, key: Key, before: &State) -> Entry {
        let rate = key.rate.or(self.rate).map(|per_second| {
            let kept = before.entries.get(&key.id).and_then(|entry| entry.rate.clone());
            let kept = kept.filter(|rate| rate.per_second() == per_second);
            kept.unwrap_or_else(|| Arc::new(Rate::new(per_second)))
        });
        Entry { key, rate }
    }

    /// Lets a caller in who shows the secret of a key that is good for one of these scopes.
    ///
    /// # Errors
    ///
    /// Fails if the caller is not let in. Which key is unknown, revoked or expired takes the same work to find out.
    pub fn admit(
        &self,
        shown: Option<&[u8]>,
        scopes: Scopes,
        peer: IpAddr,
        now: DateTime<Utc>,
    ) -> Result<KeyId, Refusal> {
        let state = self.read();
        if state.broken.as_ref().is_some_and(|broken| broken.since.elapsed() > GRACE) {
            return Err(Refusal::Unreadable);
        }
        let shown = shown.ok_or(Refusal::Missing)?;
        let named = id_in(shown);
        let entry = named.and_then(|id| state.entries.get(&id));
        let digest = entry.map_or(&Digest::NOBODYS, |entry| &entry.key.digest);
        // Of what is longer than any secret, no more is worth the work.
        let hashed = shown.get(..=secret::LENGTH).unwrap_or(shown);
        let is = bool::from(Digest::of(hashed).is(digest));
        let entry = match entry.map(|entry| (entry, entry.key.standing(now))) {
            Some((entry, Standing::Valid)) if is => entry,
            entry => {
                let why = match entry {
                    None if named.is_none() => "it is malformed",
                    None => "it is unknown",
                    Some(_) if !is => "it is wrong",
                    Some((_, standing)) => match standing {
                        Standing::Revoked => "it is revoked",
                        Standing::Expired | Standing::Valid => "it has expired",
                    },
                };
                let key = entry.map(|(entry, _)| entry.key.id);
                drop(state);
                let failed = |wait| Refusal::TooManyFailures { key, wait };
                self.failures.count(peer).map_err(failed)?;
                return Err(Refusal::Bad { key, why });
            }
        };
        let key = entry.key.id;
        if let Some(rate) = &entry.rate {
            rate.count().map_err(|wait| Refusal::TooFast { key, wait })?;
        }
        if entry.key.scopes.meet(scopes) { Ok(key) } else { Err(Refusal::Scope { key }) }
    }

    /// Counts the rows of a batch that this key has sent, or says how long to wait until it may come.
    ///
    /// # Errors
    ///
    /// Fails if the key has sent too many rows for its rate.
    pub fn count_rows(&self, key: KeyId, rows: usize) -> Result<(), Duration> {
        let rate = self.read().entries.get(&key).and_then(|entry| entry.rate.clone());
        let rows = u32::try_from(rows).ok().and_then(NonZeroU32::new);
        rate.zip(rows).map_or(Ok(()), |(rate, rows)| rate.count_rows(rows))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
