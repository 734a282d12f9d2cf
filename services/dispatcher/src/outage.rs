//! Whether a connection's CRM is away. When nothing gets through any more, the connection waits as a whole and tries with one
//! request at a time, instead of having each touch find out for itself and wait longer each time: a day's outage costs a request
//! every few seconds, and what is due goes on seconds after the CRM is back.

use std::time::Duration;

use crate::gate::Room;

/// So many requests must have failed one after another: of a CRM that fails three of ten at random, one in fifteen thousand
/// requests is the last of so many.
const ENOUGH: u32 = 8;
/// The first wait, which doubles up to the longest.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);

/// What a request's end says of the CRM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// It answered, whatever it said: a refusal is an answer.
    Yes,
    /// It did not, or that it cannot serve anybody.
    No,
    /// No request was made.
    Unsaid,
}

/// What a request's end changes for its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// Nothing starts for so long.
    Wait(Duration),
    /// The CRM is back.
    Over,
}

/// A connection's outage, if there is one. All times are monotonic.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// How many requests failed that were started after one was last answered, and since then.
    failed: u32,
    answered: Option<Duration>,
    on: Option<On>,
}

#[derive(Debug, Clone, Copy)]
struct On {
    /// What started before it was noticed says nothing new.
    since: Duration,
    wait: Duration,
}

impl Outage {
    pub(crate) fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// As much room as there is; while the CRM is away, for one.
    pub(crate) fn narrow(&self, room: Room) -> Room {
        match room {
            Room::For(places) if self.is_on() => Room::For(places.min(1)),
            room => room,
        }
    }

    /// A request that was started then ended.
    pub(crate) fn ended(&mut self, reached: Reached, started: Duration, now: Duration) -> Change {
        match (reached, &mut self.on) {
            (Reached::Unsaid, Some(on)) if started >= on.since => Change::Wait(FIRST),
            (Reached::Unsaid, _) => Change::None,
            (Reached::Yes, on) => {
                (self.failed, self.answered) = (0, Some(now));
                if on.take().is_some() { Change::Over } else { Change::None }
            }
            (Reached::No, Some(on)) if started < on.since => Change::None,
            (Reached::No, Some(on)) => {
                on.wait = (on.wait * 2).min(LONGEST);
                Change::Wait(on.wait)
            }
            // Slow failures end after the quick answers of the same moment.
            (Reached::No, None) if self.answered.is_some_and(|answered| started <= answered) => Change::None,
            (Reached::No, None) => {
                self.failed += 1;
                if self.failed < ENOUGH {
                    return Change::None;
                }
                self.on = Some(On { since: now, wait: FIRST });
                Change::Wait(FIRST)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn away() -> Outage {
        let mut outage = Outage::default();
        for n in 0..8 {
            outage.ended(Reached::No, at(n), at(100));
        }
        outage
    }

    #[test]
    fn it_begins_when_nothing_gets_through() {
        let mut outage = Outage::default();
        for n in 0..7 {
            assert_eq!(outage.ended(Reached::No, at(n), at(100)), Change::None);
        }
        assert_eq!(outage.ended(Reached::Unsaid, at(7), at(100)), Change::None);
        assert!(!outage.is_on());

        assert_eq!(outage.ended(Reached::No, at(7), at(100)), Change::Wait(FIRST));

        assert!(outage.is_on());
        assert_eq!(outage.narrow(Room::For(64)), Room::For(1));
        assert_eq!(outage.narrow(Room::WhenOneEnds), Room::WhenOneEnds);
    }

    #[test]
    fn an_answer_in_between_says_that_it_is_there() {
        let mut outage = Outage::default();
        for n in 0..100 {
            let reached = if n % 8 == 7 { Reached::Yes } else { Reached::No };
            assert_eq!(outage.ended(reached, at(n), at(n + 10)), Change::None);
        }
        assert_eq!(outage.narrow(Room::For(64)), Room::For(64));
    }

    #[test]
    fn what_failed_slower_than_others_were_answered_does_not_count() {
        let mut outage = Outage::default();
        outage.ended(Reached::Yes, at(0), at(10));
        for _ in 0..100 {
            assert_eq!(outage.ended(Reached::No, at(10), at(5_000)), Change::None);
        }
        for _ in 0..7 {
            assert_eq!(outage.ended(Reached::No, at(11), at(5_011)), Change::None);
        }

        assert_eq!(outage.ended(Reached::No, at(11), at(5_011)), Change::Wait(FIRST));
    }

    #[test]
    fn each_trial_that_fails_doubles_the_wait_up_to_five_seconds() {
        let mut outage = away();
        let waits: Vec<_> = (0..6).map(|n| outage.ended(Reached::No, at(1_000 + n), at(1_000 + n))).collect();
        assert_eq!(waits, [1_000, 2_000, 4_000, 5_000, 5_000, 5_000].map(|ms| Change::Wait(at(ms))));
    }

    #[test]
    fn what_was_under_way_when_it_began_does_not_make_it_longer() {
        let mut outage = away();

        assert_eq!(outage.ended(Reached::No, at(99), at(3_000)), Change::None);

        assert_eq!(outage.ended(Reached::No, at(3_000), at(3_001)), Change::Wait(at(1_000)));
    }

    #[test]
    fn a_trial_that_was_none_is_made_up_for() {
        let mut outage = away();

        assert_eq!(outage.ended(Reached::Unsaid, at(3_000), at(3_001)), Change::Wait(FIRST));

        assert_eq!(outage.ended(Reached::No, at(4_000), at(4_001)), Change::Wait(at(1_000)));
    }

    #[test]
    fn any_answer_ends_it() {
        let mut outage = away();

        assert_eq!(outage.ended(Reached::Yes, at(50), at(3_000)), Change::Over);

        assert!(!outage.is_on());
        assert_eq!(outage.ended(Reached::No, at(3_000), at(3_001)), Change::None);
    }
}
