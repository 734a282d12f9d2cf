//! How much may be sent over one connection now: its rate, its concurrency, and the pause that the CRM asked for.
//!
//! What is marked, or about to be, has its place reserved: beside the requests that may be under way at once, as many more
//! as are expected to start within a moment (see [`crate::pace`]).

use std::collections::VecDeque;
use std::time::Duration;

use crate::Connection;

/// All times are monotonic.
pub(crate) struct Gate {
    rate: Option<Rate>,
    concurrency: usize,
    in_flight: usize,
    /// Touches that are marked and not started, or being marked; commands that are asked for.
    reserved: usize,
    paused_until: Duration,
    /// Until when it is not tried whether the CRM is back (see [`crate::outage`]).
    away_until: Duration,
}

/// The part of the connector's rate that is this process's.
struct Rate {
    /// How many requests a period all processes together may start.
    limit: usize,
    per: Duration,
    /// How many of them may be started here, until when.
    permits: usize,
    permits_until: Duration,
    started: VecDeque<Duration>,
}

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// This many requests, now or in a moment.
    For(usize),
    /// Nothing until something in flight ends.
    WhenOneEnds,
    /// Nothing before this moment.
    At(Duration),
    /// Nothing before permits were drawn.
    WhenPermitted,
}

/// Whether a request for which there was room may still start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayStart {
    Yes,
    /// As many are under way as may be, or were started within the period.
    Later,
    /// The connection was told to wait, or its permits have run out since.
    No,
}

/// What is to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) limit: usize,
    pub(crate) per: Duration,
    /// How many were started within the last period.
    pub(crate) used: usize,
}

/// A period is counted a little longer than the CRM says: requests that start a period apart may arrive closer together.
const JITTER: u32 = 50;

impl Gate {
    pub(crate) fn new(rate: Option<(u32, Duration)>, concurrency: usize) -> Self {
        let rate = rate.map(|(requests, per)| Rate {
            limit: requests.max(1) as usize,
            per: per + per / JITTER,
            permits: 0,
            permits_until: Duration::ZERO,
            started: VecDeque::new(),
        });
        Self {
            rate,
            concurrency: concurrency.max(1),
            in_flight: 0,
            reserved: 0,
            paused_until: Duration::ZERO,
            away_until: Duration::ZERO,
        }
    }

    /// When it was told to wait until; over, in most cases.
    fn closed_until(&self) -> Duration {
        self.paused_until.max(self.away_until)
    }

    /// What may be marked now, `ahead` of the places that are free.
    pub(crate) fn room(&mut self, now: Duration, ahead: usize) -> Room {
        if now < self.closed_until() {
            return Room::At(self.closed_until());
        }
        let free = (self.concurrency + ahead).saturating_sub(self.in_flight + self.reserved);
        let room = match &mut self.rate {
            None => free,
            Some(rate) => {
                if rate.permits == 0 || now >= rate.permits_until {
                    return Room::WhenPermitted;
                }
                let used = rate.used(now);
                let left = rate.permits.saturating_sub(used);
                if left == 0 {
                    // As many as are over the permits must age, and one more.
                    let start = rate.started.get(used.saturating_sub(rate.permits));
                    return start.map_or(Room::WhenPermitted, |start| Room::At(*start + rate.per));
                }
                free.min(left.saturating_sub(self.reserved))
            }
        };
        if room == 0 { Room::WhenOneEnds } else { Room::For(room) }
    }

    /// How many requests may start at once. What waits and was marked `ahead` of its place leaves it to them: it has its
    /// turn in a moment.
    pub(crate) fn places(&mut self, now: Duration, ahead: usize) -> usize {
        let Room::For(room) = self.room(now, ahead.max(self.reserved)) else { return 0 };
        let waiting = if ahead == 0 { self.reserved } else { 0 };
        self.concurrency.saturating_sub(self.in_flight + waiting).min(room)
    }

    /// How the connection stands, `room` having been asked for at the same moment.
    pub(crate) fn standing(&self, now: Duration, room: Room) -> Connection {
        match room {
            Room::For(_) if self.in_flight < self.concurrency => Connection::Open,
            Room::For(_) | Room::WhenOneEnds => Connection::Busy,
            Room::At(_) if self.is_paused(now) => Connection::Paused,
            Room::At(_) | Room::WhenPermitted => Connection::RateLimited,
        }
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The rate to draw permits of, if there is one.
    pub(crate) fn limit(&mut self, now: Duration) -> Option<Limit> {
        self.rate.as_mut().map(|rate| Limit { limit: rate.limit, per: rate.per, used: rate.used(now) })
    }

    /// This many requests of any one period may be started here, until then.
    pub(crate) fn permit(&mut self, permits: usize, until: Duration) {
        if let Some(rate) = &mut self.rate {
            (rate.permits, rate.permits_until) = (permits, until);
        }
    }

    /// Keeps places for requests that are to start in a moment.
    pub(crate) fn reserve(&mut self, requests: usize) {
        self.reserved += requests;
    }

    /// Gives places back: these will not start.
    pub(crate) fn release(&mut self, requests: usize) {
        self.reserved = self.reserved.saturating_sub(requests);
    }

    /// Whether one that has a place reserved may start.
    pub(crate) fn may_start(&mut self, now: Duration) -> MayStart {
        if now < self.closed_until() {
            return MayStart::No;
        }
        if self.in_flight >= self.concurrency {
            return MayStart::Later;
        }
        let Some(rate) = &mut self.rate else {
            return MayStart::Yes;
        };
        if now >= rate.permits_until {
            MayStart::No
        } else if rate.used(now) >= rate.permits {
            MayStart::Later
        } else {
            MayStart::Yes
        }
    }

    /// One that had a place reserved starts.
    pub(crate) fn start(&mut self, now: Duration) {
        self.release(1);
        self.in_flight += 1;
        if let Some(rate) = &mut self.rate {
            rate.started.push_back(now);
        }
    }

    /// A request ended.
    pub(crate) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The CRM is away: nothing is tried before then. What the CRM itself asked for stands.
    pub(crate) fn try_at(&mut self, at: Duration) {
        self.away_until = at;
    }

    /// Whether the whole connection waits for what the CRM asked for.
    pub(crate) fn is_paused(&self, now: Duration) -> bool {
        now < self.paused_until
    }

    /// The CRM asks to wait: the whole connection does.
    pub(crate) fn pause_until(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
    }
}

impl Rate {
    /// A log of starts, not a token bucket: a bucket lets twice the limit through within one period.
    fn used(&mut self, now: Duration) -> usize {
        while self.started.front().is_some_and(|start| *start + self.per <= now) {
            self.started.pop_front();
        }
        self.started.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn concurrency_is_kept() {
        let mut gate = Gate::new(None, 2);
        gate.start(at(0));
        assert_eq!(gate.room(at(1), 0), Room::For(1));

        gate.start(at(1));

        let room = gate.room(at(2), 0);
        assert_eq!((room, gate.standing(at(2), room)), (Room::WhenOneEnds, Connection::Busy));
        assert_eq!((gate.in_flight(), gate.may_start(at(2))), (2, MayStart::Later));
        gate.end();
        assert_eq!((gate.room(at(3), 0), gate.may_start(at(3))), (Room::For(1), MayStart::Yes));
    }

    #[test]
    fn more_may_be_marked_than_may_start_and_every_mark_takes_a_place() {
        let mut gate = Gate::new(None, 2);
        assert_eq!(gate.room(at(0), 3), Room::For(5));

        gate.reserve(5);

        assert_eq!(gate.room(at(0), 3), Room::WhenOneEnds);
        gate.start(at(0));
        gate.start(at(0));
        assert_eq!((gate.may_start(at(0)), gate.room(at(0), 3)), (MayStart::Later, Room::WhenOneEnds));
        gate.end();
        assert_eq!((gate.may_start(at(1)), gate.room(at(1), 3)), (MayStart::Yes, Room::For(1)));
        gate.release(2);
        assert_eq!(gate.room(at(1), 3), Room::For(3));
    }

    #[test]
    fn who_waits_ahead_of_its_place_leaves_the_next_one_to_commands() {
        let mut gate = Gate::new(None, 2);
        gate.start(at(0));
        gate.reserve(1);

        assert_eq!(gate.places(at(1), 0), 0, "it was marked for this place");
        assert_eq!(gate.places(at(1), 10), 1);
        gate.start(at(1));
        assert_eq!(gate.places(at(1), 10), 0);
    }

    #[test]
    fn a_pause_is_the_connections_and_a_shorter_one_does_not_cut_it() {
        let mut gate = Gate::new(None, 2);

        gate.pause_until(at(500));
        gate.pause_until(at(300));

        let room = gate.room(at(499), 0);
        assert_eq!(room, Room::At(at(500)));
        assert_eq!(gate.standing(at(499), room), Connection::Paused);
        assert_eq!((gate.may_start(at(499)), gate.places(at(499), 0)), (MayStart::No, 0));
        assert_eq!(gate.room(at(500), 0), Room::For(2));
    }

    #[test]
    fn the_crm_back_does_not_cut_the_wait_that_it_asked_for() {
        let mut gate = Gate::new(None, 2);

        gate.try_at(at(500));
        assert_eq!((gate.room(at(499), 0), gate.may_start(at(499))), (Room::At(at(500)), MayStart::No));
        gate.pause_until(at(300));
        gate.try_at(Duration::ZERO);

        assert_eq!((gate.room(at(299), 0), gate.may_start(at(299))), (Room::At(at(300)), MayStart::No));
        assert_eq!((gate.room(at(300), 0), gate.may_start(at(300))), (Room::For(2), MayStart::Yes));
    }

    #[test]
    fn a_limited_connection_sends_what_was_permitted_and_for_so_long() {
        let mut gate = Gate::new(Some((10, at(1000))), 100);
        assert_eq!(gate.room(at(0), 0), Room::WhenPermitted);

        gate.permit(5, at(700));

        assert_eq!(gate.room(at(0), 0), Room::For(5));
        gate.start(at(10));
        assert_eq!(gate.room(at(699), 0), Room::For(4));
        assert_eq!(gate.room(at(700), 0), Room::WhenPermitted);
        assert_eq!((gate.may_start(at(699)), gate.may_start(at(700))), (MayStart::Yes, MayStart::No));
        assert_eq!(gate.limit(at(700)), Some(Limit { limit: 10, per: at(1020), used: 1 }));
    }

    #[test]
    fn a_smaller_part_waits_until_what_was_started_under_the_larger_has_aged() {
        let mut gate = Gate::new(Some((10, at(1000))), 100);
        gate.permit(3, at(9_000));
        for start in [0, 100, 200] {
            gate.start(at(start));
        }

        gate.permit(2, at(9_000));

        assert_eq!(gate.room(at(300), 0), Room::At(at(100 + 1020)));
        assert_eq!(gate.room(at(100 + 1020), 0), Room::For(1));
    }

    proptest! {
        #[test]
        fn no_window_of_one_period_holds_more_than_was_permitted(steps in prop::collection::vec(0_u64..400, 1..200)) {
            let mut gate = Gate::new(Some((5, at(1000))), 1000);
            gate.permit(5, Duration::MAX);
            let mut now = 0;
            let mut starts = Vec::new();
            for step in steps {
                now += step;
                if let Room::For(n) = gate.room(at(now), 0) {
                    for _ in 0..n {
                        gate.start(at(now));
                        starts.push(now);
                    }
                }
            }
            for start in &starts {
                let within = starts.iter().filter(|other| **other >= *start && **other < start + 1000).count();
                prop_assert!(within <= 5, "{within} from {start}");
            }
        }
    }
}
