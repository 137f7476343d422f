//! What is known of a secret.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};

use crate::digest::Digest;
use crate::{KeyId, Scopes};

/// A key, as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its name in secrets and logs.
    pub id: KeyId,
    pub(crate) digest: Digest,
    /// What it is good for; at least one thing.
    pub scopes: Scopes,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// What people call it: up to 100 characters, none of them a control character.
    pub name: Option<String>,
    /// From when on it counts no more.
    pub expires: Option<DateTime<Utc>>,
    /// When it was revoked: it does not count, whatever the time.
    pub revoked: Option<DateTime<Utc>>,
    /// How many requests it may make per second.
    pub rate: Option<NonZeroU32>,
}

/// What a new key shall be.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// What it is good for.
    pub scopes: Scopes,
    /// What people call it.
    pub name: Option<String>,
    /// From when on it counts no more.
    pub expires: Option<DateTime<Utc>>,
    /// How many requests it may make per second.
    pub rate: Option<NonZeroU32>,
}

/// Whether a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Valid,
    /// Its time is over.
    Expired,
    /// Somebody revoked it.
    Revoked,
}

impl Key {
    /// Whether it counts at this time.
    #[must_use]
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        if self.revoked.is_some() {
            Standing::Revoked
        } else if self.expires.is_some_and(|expires| expires <= now) {
            Standing::Expired
        } else {
            Standing::Valid
        }
    }
}

impl Standing {
    /// How it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Whether this can be the name of a key; nobody's terminal obeys it.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
