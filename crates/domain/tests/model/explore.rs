//! An explorer of all interleavings: breadth first, so that what it finds is a shortest history.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A system that can be walked through.
pub(crate) trait System: Sized {
    /// What tells states apart.
    fn mark(&self) -> String;

    /// What may happen next, and what comes of it.
    fn steps(&self) -> Vec<(String, Self)>;

    /// What is wrong here; `dead` when nothing can happen any more.
    fn broken(&self, dead: bool) -> Option<String>;
}

/// What an exploration came to.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) ends: usize,
    /// What broke, with the history that leads to it.
    pub(crate) found: Option<(String, Vec<String>)>,
}

/// Walks through all states, or until the first that is broken.
pub(crate) fn explore<S: System>(start: S, at_most: usize) -> Explored {
    let mut seen = HashSet::new();
    let mut came: Vec<(usize, String)> = vec![(0, "start".to_owned())];
    let mut queue = VecDeque::new();
    let mut ends = 0;
    seen.insert(digest(&start));
    queue.push_back((0, start));
    while let Some((place, state)) = queue.pop_front() {
        let steps = state.steps();
        ends += usize::from(steps.is_empty());
        if let Some(what) = state.broken(steps.is_empty()) {
            return Explored { states: came.len(), ends, found: Some((what, history(&came, place))) };
        }
        for (step, next) in steps {
            if seen.insert(digest(&next)) {
                came.push((place, step));
                queue.push_back((came.len() - 1, next));
            }
        }
        assert!(came.len() <= at_most, "the model is not bounded as it was meant to be");
    }
    Explored { states: came.len(), ends, found: None }
}

/// Two halves of 64 bits: of a million states the chance that two meet is one in 10^26.
fn digest<S: System>(state: &S) -> (u64, u64) {
    let text = state.mark();
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, &text).hash(&mut hasher);
        hasher.finish()
    };
    (half(1), half(2))
}

fn history(came: &[(usize, String)], mut place: usize) -> Vec<String> {
    let mut steps = Vec::new();
    while place != 0 {
        steps.push(came[place].1.clone());
        place = came[place].0;
    }
    steps.reverse();
    steps
}
