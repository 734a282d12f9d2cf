//! How much may be sent over one connection now: its rate, its concurrency, and the pause that the CRM asked for.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Connection;

/// All times are monotonic.
pub(crate) struct Gate {
    rate: Option<(usize, Duration)>,
    concurrency: usize,
    in_flight: usize,
    started: VecDeque<Duration>,
    paused_until: Duration,
}

/// What may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// This many requests, now.
    For(usize),
    /// Nothing until something in flight ends.
    WhenOneEnds,
    /// Nothing before this moment.
    At(Duration),
}

impl Gate {
    pub(crate) fn new(rate: Option<(u32, Duration)>, concurrency: usize) -> Self {
        Self {
            rate: rate.map(|(requests, per)| (requests.max(1) as usize, per)),
            concurrency: concurrency.max(1),
            in_flight: 0,
            started: VecDeque::new(),
            paused_until: Duration::ZERO,
        }
    }

    /// What may be sent now, of the `share` (0–1) of the rate that is this worker's.
    pub(crate) fn room(&mut self, now: Duration, share: f64) -> Room {
        if now < self.paused_until {
            return Room::At(self.paused_until);
        }
        let free = self.concurrency.saturating_sub(self.in_flight);
        if free == 0 {
            return Room::WhenOneEnds;
        }
        let Some((requests, per)) = self.rate else {
            return Room::For(free);
        };
        // A log of starts, not a token bucket: a bucket lets twice the limit through within one period.
        while self.started.front().is_some_and(|start| *start + per <= now) {
            self.started.pop_front();
        }
        let mine = share_of(requests, share);
        let left = mine.saturating_sub(self.started.len());
        match (left, self.started.front()) {
            (0, Some(oldest)) => Room::At(*oldest + per),
            (0, None) => Room::At(now + per),
            _ => Room::For(free.min(left)),
        }
    }

    /// How the connection stands, `room` having been asked for at the same moment.
    pub(crate) fn standing(&self, now: Duration, room: Room) -> Connection {
        match room {
            Room::For(_) => Connection::Open,
            Room::WhenOneEnds => Connection::Busy,
            Room::At(_) if now < self.paused_until => Connection::Paused,
            Room::At(_) => Connection::RateLimited,
        }
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// A request starts.
    pub(crate) fn start(&mut self, now: Duration) {
        self.in_flight += 1;
        if self.rate.is_some() {
            self.started.push_back(now);
        }
    }

    /// A request ended.
    pub(crate) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The CRM asks to wait: the whole connection does.
    pub(crate) fn pause_until(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
    }
}

/// At least one: a worker whose share rounds to nothing would starve its shards.
fn share_of(requests: usize, share: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a small positive number"
    )]
    let mine = (requests as f64 * share.clamp(0.0, 1.0)).floor() as usize;
    mine.max(1)
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
        assert_eq!(gate.room(at(1), 1.0), Room::For(1));

        gate.start(at(1));

        let room = gate.room(at(2), 1.0);
        assert_eq!((room, gate.standing(at(2), room)), (Room::WhenOneEnds, Connection::Busy));
        assert_eq!(gate.in_flight(), 2);
        gate.end();
        assert_eq!(gate.room(at(3), 1.0), Room::For(1));
    }

    #[test]
    fn a_pause_is_the_connections_and_a_shorter_one_does_not_cut_it() {
        let mut gate = Gate::new(None, 2);

        gate.pause_until(at(500));
        gate.pause_until(at(300));

        let room = gate.room(at(499), 1.0);
        assert_eq!(room, Room::At(at(500)));
        assert_eq!(gate.standing(at(499), room), Connection::Paused);
        assert_eq!(gate.room(at(500), 1.0), Room::For(2));
    }

    #[test]
    fn a_worker_sends_its_share_of_the_rate() {
        let mut gate = Gate::new(Some((10, at(1000))), 100);

        let room = gate.room(at(0), 0.5);
        assert_eq!((room, gate.standing(at(0), room)), (Room::For(5), Connection::Open));
        assert_eq!(gate.room(at(0), 0.01), Room::For(1));
    }

    proptest! {
        #[test]
        fn no_window_of_one_period_holds_more_than_the_rate(steps in prop::collection::vec(0_u64..400, 1..200)) {
            let mut gate = Gate::new(Some((5, at(1000))), 1000);
            let mut now = 0;
            let mut starts = Vec::new();
            for step in steps {
                now += step;
                if let Room::For(n) = gate.room(at(now), 1.0) {
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
