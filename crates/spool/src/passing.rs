//! What was removed from a disk that has failed: it stays there, and is not shown again before the next opening.

use std::collections::BTreeSet;

/// The entries that are passed over.
#[derive(Debug, Default)]
pub(crate) struct Passing {
    /// All up to this id.
    up_to: i64,
    /// And these beyond it.
    beyond: BTreeSet<i64>,
}

impl Passing {
    /// Passes over this one too; says whether it was not before.
    pub(crate) fn add(&mut self, id: i64) -> bool {
        id > self.up_to && self.beyond.insert(id)
    }

    /// The id after which there may be entries that are not passed over.
    pub(crate) fn start(&self) -> i64 {
        self.up_to
    }

    /// Whether this entry is passed over. `is_first` says that all before it were, so that nobody need ask again.
    pub(crate) fn passes(&mut self, id: i64, is_first: bool) -> bool {
        let passes = self.beyond.contains(&id);
        if passes && is_first {
            self.beyond.remove(&id);
            self.up_to = id;
        }
        passes
    }
}
