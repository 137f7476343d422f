//! The changes of a key file.

use crate::{Key, KeyId};

/// The keys of a file, compared with those of before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    /// How many keys there are now, whether they count or not.
    pub keys: usize,
    /// The keys that were not there before.
    pub came: Vec<KeyId>,
    /// The keys that are there no more.
    pub went: Vec<KeyId>,
    /// The keys of which something else is said now, such as that they are revoked.
    pub changed: Vec<KeyId>,
}

impl Renewal {
    /// Compares the keys `after` with those `before`, which are found by their id.
    pub(crate) fn of<'a>(
        before: impl Iterator<Item = &'a Key>,
        after: &[Key],
        known: impl Fn(KeyId) -> Option<&'a Key>,
    ) -> Self {
        let mut renewal = Self { keys: after.len(), ..Self::default() };
        for key in after {
            match known(key.id) {
                None => renewal.came.push(key.id),
                Some(old) if old != key => renewal.changed.push(key.id),
                Some(_) => {}
            }
        }
        let still: std::collections::HashSet<_> = after.iter().map(|key| key.id).collect();
        renewal.went = before.map(|key| key.id).filter(|id| !still.contains(id)).collect();
        renewal
    }
}
