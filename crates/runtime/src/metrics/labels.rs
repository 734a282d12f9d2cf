//! Keeping labels bounded.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::sync::RwLock;

/// Lets the first values of a label through and folds the rest.
#[derive(Debug)]
pub(super) struct Bounded {
    most: usize,
    seen: RwLock<HashSet<Box<str>>>,
}

impl Bounded {
    /// What further values are folded into.
    pub(super) const OTHER: &'static str = "other";

    pub(super) fn new(most: usize) -> Self {
        Self { most, seen: RwLock::default() }
    }

    /// `value`, if it is among the first, else [`Self::OTHER`].
    pub(super) fn admit<'a>(&self, value: &'a str) -> &'a str {
        {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            if seen.contains(value) {
                return value;
            }
            if seen.len() >= self.most {
                return Self::OTHER;
            }
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have filled it meanwhile.
        if seen.contains(value) || seen.len() < self.most {
            seen.insert(value.into());
            return value;
        }
        Self::OTHER
    }
}
