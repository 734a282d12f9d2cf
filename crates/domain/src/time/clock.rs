//! Business time and wall time.

use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How many business seconds pass in one second of the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Speed(NonZeroU32);

impl Speed {
    /// As fast as the wall.
    pub const REAL: Self = Self(NonZeroU32::MIN);

    /// So many business seconds a second; none for zero, which would stop time.
    #[must_use]
    pub fn new(seconds_per_second: u32) -> Option<Self> {
        NonZeroU32::new(seconds_per_second).map(Self)
    }

    /// Business seconds a second.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

/// Maps between the wall and business time: due times, windows, caps, re-entry and pauses live in business time, which a
/// demonstration may scale; signatures, time-outs and leases stay on the wall.
///
/// The two are the same up to `origin`; from there business time runs `speed` times as fast. What happened before the
/// origin is therefore not scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessClock {
    origin: Timestamp,
    speed: Speed,
}

impl BusinessClock {
    /// Business time is the wall's.
    pub const REAL: Self = Self { origin: Timestamp::UNIX_EPOCH, speed: Speed::REAL };

    /// Scaled from `origin` on.
    #[must_use]
    pub fn new(origin: Timestamp, speed: Speed) -> Self {
        Self { origin, speed }
    }

    /// From when on time is scaled.
    #[must_use]
    pub fn origin(&self) -> Timestamp {
        self.origin
    }

    /// How fast it runs.
    #[must_use]
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// The business time at a moment of the wall; at most the last one that can be told.
    #[must_use]
    pub fn business(&self, wall: Timestamp) -> Timestamp {
        let passed = wall.as_nanosecond() - self.origin.as_nanosecond();
        if passed <= 0 || self.speed == Speed::REAL {
            return wall;
        }
        self.at(passed.saturating_mul(i128::from(self.speed.get())))
    }

    /// The first moment of the wall at which business time is this far, for sleeping until something is due.
    #[must_use]
    pub fn wall(&self, business: Timestamp) -> Timestamp {
        let passed = business.as_nanosecond() - self.origin.as_nanosecond();
        if passed <= 0 || self.speed == Speed::REAL {
            return business;
        }
        let speed = i128::from(self.speed.get());
        self.at((passed + speed - 1) / speed)
    }

    /// The wall's time between two moments of business time; zero when `to` is not later.
    #[must_use]
    pub fn wall_between(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        self.wall(to).duration_since(self.wall(from)).max(SignedDuration::ZERO)
    }

    fn at(&self, nanoseconds_after_origin: i128) -> Timestamp {
        let at = self.origin.as_nanosecond().saturating_add(nanoseconds_after_origin);
        Timestamp::from_nanosecond(at).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_day_a_second_runs_from_the_origin_and_leaves_the_past_alone() {
        let origin = second(1_000_000);
        let clock = BusinessClock::new(origin, Speed::new(86_400).unwrap());

        assert_eq!(clock.business(second(999_990)), second(999_990));
        assert_eq!(clock.business(origin), origin);
        assert_eq!(clock.business(second(1_000_002)), second(1_000_000 + 2 * 86_400));
        assert_eq!(clock.wall(second(1_000_000 + 3 * 86_400)), second(1_000_003));
    }

    #[test]
    fn a_speed_of_zero_does_not_exist() {
        assert_eq!(Speed::new(0), None);
    }

    #[test]
    fn the_end_of_time_is_not_passed() {
        let clock = BusinessClock::new(Timestamp::UNIX_EPOCH, Speed::new(u32::MAX).unwrap());

        assert_eq!(clock.business(second(100_000_000_000)), Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn sleeping_until_the_wall_time_of_a_business_time_is_never_too_short(
            origin in 0_i64..4_000_000_000,
            business in 0_i64..8_000_000_000,
            speed in 1_u32..100_000,
        ) {
            let clock = BusinessClock::new(second(origin), Speed::new(speed).unwrap());

            let wall = clock.wall(second(business));

            prop_assert!(clock.business(wall) >= second(business));
            let just_before = wall.checked_sub(SignedDuration::from_nanos(1)).unwrap();
            prop_assert!(clock.business(just_before) < second(business));
        }

        #[test]
        fn business_time_never_goes_back(
            origin in 0_i64..4_000_000_000,
            one in 0_i64..8_000_000_000,
            other in 0_i64..8_000_000_000,
            speed in 1_u32..100_000,
        ) {
            let clock = BusinessClock::new(second(origin), Speed::new(speed).unwrap());
            let (early, late) = (one.min(other), one.max(other));

            prop_assert!(clock.business(second(early)) <= clock.business(second(late)));
        }
    }
}
