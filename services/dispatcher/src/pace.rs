//! How fast a connection answers, and how many touches may therefore be marked ahead of their places.
//!
//! A mark is a transaction. Where requests take a millisecond, marking only as many as have a place would make each
//! request wait for one, so more are marked: as many as start within [`BUDGET`]. A request that starts later than its mark
//! allows is void, so nothing is marked ahead before a connection has shown that it is fast, nor after anything went wrong.

use std::time::Duration;

/// What is marked ahead is to start within this time; a fifth of what a mark is good for.
const BUDGET: Duration = Duration::from_millis(50);
/// So many requests must have gone well one after another.
const PROOF: u32 = 16;
/// How much of the mean a single request is.
const WEIGHT: u32 = 16;
/// The most that is marked ahead, and what that begins with. Each request that goes well allows one more, each mark that waited
/// too long for its place halves it: how fast a connection answers says nothing of how fast this process, or its store, comes to start the next.
const MOST: usize = 512;
const AT_FIRST: usize = 64;
const LEAST: usize = 4;

/// The pace of a connection.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How long requests took, a moving mean.
    mean: Duration,
    /// How many went well since anything did not.
    well: u32,
    most: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { mean: Duration::ZERO, well: 0, most: AT_FIRST }
    }
}

impl Pace {
    /// A request went well, and took so long.
    pub(crate) fn went(&mut self, took: Duration) {
        let took = took.max(Duration::from_micros(10));
        self.mean = if self.well == 0 { took } else { (self.mean * (WEIGHT - 1) + took) / WEIGHT };
        self.well = self.well.saturating_add(1);
        self.most = (self.most + 1).min(MOST);
    }

    /// A request failed, or the connection was told to wait.
    pub(crate) fn stumbled(&mut self) {
        self.well = 0;
    }

    /// What was marked in time waited too long for its place.
    pub(crate) fn overrun(&mut self) {
        self.well = 0;
        self.most = (self.most / 2).max(LEAST);
    }

    /// How many touches may be marked beside those that have a place, of which there are `places`.
    pub(crate) fn ahead(&self, places: usize) -> usize {
        if self.well < PROOF {
            return 0;
        }
        let turns = BUDGET.as_micros() / self.mean.as_micros().max(1);
        // A slow connection gains nothing: its places are not waited for, they are full.
        usize::try_from(turns).unwrap_or(usize::MAX).saturating_mul(places).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(requests: usize, took: u64) -> Pace {
        let mut pace = Pace::default();
        for _ in 0..requests {
            pace.went(Duration::from_micros(took));
        }
        pace
    }

    #[test]
    fn only_a_connection_that_proved_fast_is_marked_ahead_for() {
        assert_eq!(after(15, 1_000).ahead(8), 0);
        assert_eq!(after(16, 1_000).ahead(8), 64 + 16, "one more for each that goes well");
        assert_eq!(after(1_000, 1_000).ahead(8), 50 * 8);
        assert_eq!(after(1_000, 100).ahead(8), MOST);
        assert_eq!(after(16, 25_000).ahead(8), 2 * 8);
        assert_eq!(after(100, 51_000).ahead(8), 0, "within the budget none of its places becomes free");
    }

    #[test]
    fn anything_that_goes_wrong_ends_it_until_it_is_proved_again() {
        let mut pace = after(100, 1_000);

        pace.stumbled();

        assert_eq!(pace.ahead(8), 0);
        for _ in 0..16 {
            pace.went(Duration::from_millis(10));
        }
        assert_eq!(pace.ahead(8), 5 * 8, "what was before does not count");
    }

    #[test]
    fn fewer_are_marked_ahead_once_some_did_not_start_in_time() {
        let mut pace = after(1_000, 100);
        for most in [256 + 16, 136 + 16] {
            pace.overrun();
            for _ in 0..16 {
                pace.went(Duration::from_micros(100));
            }
            assert_eq!(pace.ahead(8), most);
        }

        for _ in 0..100 {
            pace.overrun();
        }
        for _ in 0..16 {
            pace.went(Duration::from_micros(100));
        }

        assert_eq!(pace.ahead(8), LEAST + 16, "it begins again with few");
    }

    #[test]
    fn a_connection_that_slows_down_is_noticed_within_a_few_requests() {
        let mut pace = after(1_000, 200);

        for _ in 0..8 {
            pace.went(Duration::from_millis(200));
        }

        assert_eq!(pace.ahead(8), 0, "{pace:?}");
    }
}
