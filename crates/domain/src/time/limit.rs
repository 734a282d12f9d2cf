//! Caps and gaps: how many touches in how long.

use std::num::NonZeroU32;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::schedule::{NeverOpens, Schedule};
use super::span::{Span, Unit};

/// So many uses in a period. `1d` is a calendar day of the zone that is asked; every other period slides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawQuota")]
pub struct Quota {
    max: NonZeroU32,
    per: Span,
}

#[derive(Deserialize)]
struct RawQuota {
    max: u32,
    per: Span,
}

impl TryFrom<RawQuota> for Quota {
    type Error = LimitError;

    fn try_from(raw: RawQuota) -> Result<Self, LimitError> {
        Self::new(raw.max, raw.per)
    }
}

/// A quota, of all channels or of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit<C> {
    /// How many in how long.
    #[serde(flatten)]
    pub quota: Quota,
    /// The channel whose touches it counts and binds; none: every channel.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub channel: Option<C>,
}

/// Why a quota cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Nothing would ever go out.
    #[error("a limit of 0 lets nothing out: leave the step out, or pause the cadence")]
    Nothing,
    /// A period of no length.
    #[error("a limit needs a period longer than zero")]
    NoPeriod,
    /// Business days have no fixed length to slide over.
    #[error("a limit counts exact time, days or weeks: write {0}d")]
    BusinessDays(u32),
}

/// Whether one more fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It fits.
    Now,
    /// Not before that moment.
    Until(Timestamp),
}

impl Admission {
    /// The later of two: both must let it pass.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now, rest) | (rest, Self::Now) => rest,
            (Self::Until(one), Self::Until(two)) => Self::Until(one.max(two)),
        }
    }
}

impl Quota {
    /// At most `max` in `per`.
    ///
    /// # Errors
    ///
    /// [`LimitError`] for none at all, for a period of no length and for business days.
    pub fn new(max: u32, per: Span) -> Result<Self, LimitError> {
        let max = NonZeroU32::new(max).ok_or(LimitError::Nothing)?;
        if per.is_zero() {
            return Err(LimitError::NoPeriod);
        }
        if per.unit() == Unit::BusinessDays {
            return Err(LimitError::BusinessDays(per.count()));
        }
        Ok(Self { max, per })
    }

    /// How many.
    #[must_use]
    pub fn max(&self) -> u32 {
        self.max.get()
    }

    /// In how long.
    #[must_use]
    pub fn per(&self) -> Span {
        self.per
    }

    /// Whether one more use fits at `at`, given the earlier ones in any order. Uses after `at` count too: they are
    /// reserved.
    #[must_use]
    pub fn admit(&self, uses: &[Timestamp], at: Timestamp, zone: &TimeZone) -> Admission {
        let schedule = Schedule::always(zone.clone());
        let free_again = |used: Timestamp| -> Timestamp {
            if self.per.is_one_day() {
                let date = schedule.date(used);
                schedule.start_of_day(date.tomorrow().unwrap_or(date))
            } else {
                // Never fails: only business days need an open window.
                self.per.after(used, &schedule).unwrap_or(Timestamp::MAX)
            }
        };
        let mut frees: Vec<Timestamp> =
            uses.iter().map(|&used| free_again(used)).filter(|&free| free > at).collect();
        let max = usize::try_from(self.max.get()).unwrap_or(usize::MAX);
        if frees.len() < max {
            return Admission::Now;
        }
        // Once all but max - 1 of them have run out there is room.
        frees.sort_unstable();
        Admission::Until(frees[frees.len() - max])
    }

    /// How far back uses can still count at `at`: what is older need not be loaded.
    #[must_use]
    pub fn since(&self, at: Timestamp, zone: &TimeZone) -> Timestamp {
        let schedule = Schedule::always(zone.clone());
        if self.per.is_one_day() {
            return schedule.start_of_day(schedule.date(at));
        }
        match (self.per.exact(), self.per.calendar_days()) {
            (Some(exact), _) => exact.before(at),
            // A day more: local days are of unequal length.
            (None, Some(days)) => schedule.add_days(at, -i64::from(days) - 1),
            (None, None) => Timestamp::MIN,
        }
    }
}

impl<C: PartialEq> Limit<C> {
    /// Whether a touch on a channel is bound by it, and counts.
    #[must_use]
    pub fn binds(&self, channel: &C) -> bool {
        self.channel.as_ref().is_none_or(|only| only == channel)
    }
}

/// Whether the gap since the last touch has passed at `at`.
///
/// # Errors
///
/// [`NeverOpens`] when the gap counts business days and none comes.
pub fn gap(last: Timestamp, gap: Span, at: Timestamp, schedule: &Schedule) -> Result<Admission, NeverOpens> {
    let earliest = gap.after(last, schedule)?;
    Ok(if earliest <= at { Admission::Now } else { Admission::Until(earliest) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn quota(max: u32, per: &str) -> Quota {
        Quota::new(max, Span::parse(per).unwrap()).unwrap()
    }

    #[test]
    fn a_week_slides_and_keeps_the_local_time_over_a_clock_change() {
        let new_york = crate::time::zone("America/New_York").unwrap();
        let uses = [at("2026-03-05T15:00:00Z"), at("2026-03-06T15:00:00Z"), at("2026-03-07T15:00:00Z")];

        let verdict = quota(3, "7d").admit(&uses, at("2026-03-09T14:00:00Z"), &new_york);

        // 10:00 in New York a week later is an hour earlier in UTC, since the clock was put forward on 8 March.
        assert_eq!(verdict, Admission::Until(at("2026-03-12T14:00:00Z")));
        assert_eq!(quota(4, "7d").admit(&uses, at("2026-03-09T14:00:00Z"), &new_york), Admission::Now);
    }

    #[test]
    fn one_day_is_the_calendar_day_of_the_zone() {
        let berlin = crate::time::zone("Europe/Berlin").unwrap();
        let uses = [at("2026-06-01T20:00:00Z")];

        assert_eq!(
            quota(1, "1d").admit(&uses, at("2026-06-01T21:00:00Z"), &berlin),
            Admission::Until(at("2026-06-01T22:00:00Z")),
        );
        assert_eq!(quota(1, "1d").admit(&uses, at("2026-06-01T22:00:00Z"), &berlin), Admission::Now);
        assert_eq!(
            quota(1, "24h").admit(&uses, at("2026-06-01T22:00:00Z"), &berlin),
            Admission::Until(at("2026-06-02T20:00:00Z")),
        );
    }

    #[test]
    fn room_comes_when_enough_uses_have_run_out_not_when_the_first_has() {
        let uses = [at("2026-06-01T00:00:00Z"), at("2026-06-01T01:00:00Z"), at("2026-06-01T02:00:00Z")];

        // Three uses against a cap of two, as after the cap was lowered.
        let verdict = quota(2, "24h").admit(&uses, at("2026-06-01T03:00:00Z"), &TimeZone::UTC);

        assert_eq!(verdict, Admission::Until(at("2026-06-02T01:00:00Z")));
    }

    #[test]
    fn quotas_that_let_nothing_out_are_refused() {
        assert_eq!(Quota::new(0, Span::days(1)), Err(LimitError::Nothing));
        assert_eq!(Quota::new(1, Span::days(0)), Err(LimitError::NoPeriod));
        assert!(Quota::new(1, Span::parse("3bd").unwrap()).is_err());
        assert!(serde_json::from_str::<Limit<String>>(r#"{"max":0,"per":"7d"}"#).is_err());
    }

    #[test]
    fn a_limit_of_a_channel_binds_that_channel_alone() {
        let email: Limit<String> = serde_json::from_str(r#"{"max":3,"per":"7d","channel":"email"}"#).unwrap();

        assert!(email.binds(&"email".to_owned()) && !email.binds(&"call".to_owned()));
    }

    #[test]
    fn a_gap_of_a_day_ends_at_the_same_local_time() {
        let zone = crate::time::zone("Europe/London").unwrap();
        let last = at("2026-03-28T10:00:00Z");

        let verdict = gap(last, Span::days(1), at("2026-03-29T08:00:00Z"), &Schedule::always(zone)).unwrap();

        assert_eq!(verdict, Admission::Until(at("2026-03-29T09:00:00Z")));
    }

    proptest! {
        #[test]
        fn at_the_moment_named_there_is_room_and_just_before_there_is_none(
            uses in proptest::collection::vec(1_700_000_000_i64..1_702_000_000, 0..20),
            max in 1_u32..6,
            per in prop_oneof![Just("1d"), Just("7d"), Just("36h"), Just("2w")],
            now in 1_700_000_000_i64..1_702_000_000,
        ) {
            let zone = crate::time::zone("America/New_York").unwrap();
            let uses: Vec<Timestamp> = uses.into_iter().map(|s| Timestamp::from_second(s).unwrap()).collect();
            let now = Timestamp::from_second(now).unwrap();
            let quota = quota(max, per);

            if let Admission::Until(free) = quota.admit(&uses, now, &zone) {
                prop_assert!(free > now);
                prop_assert_eq!(quota.admit(&uses, free, &zone), Admission::Now);
                let before = free.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap();
                prop_assert!(matches!(quota.admit(&uses, before, &zone), Admission::Until(_)));
            }
        }

        #[test]
        fn what_is_older_than_since_never_matters(
            uses in proptest::collection::vec(1_700_000_000_i64..1_702_000_000, 0..20),
            max in 1_u32..6,
            per in prop_oneof![Just("1d"), Just("7d"), Just("36h"), Just("2w")],
            now in 1_701_000_000_i64..1_702_000_000,
        ) {
            let zone = crate::time::zone("America/New_York").unwrap();
            let uses: Vec<Timestamp> = uses.into_iter().map(|s| Timestamp::from_second(s).unwrap()).collect();
            let now = Timestamp::from_second(now).unwrap();
            let quota = quota(max, per);
            let since = quota.since(now, &zone);
            let recent: Vec<Timestamp> = uses.iter().copied().filter(|used| *used >= since).collect();

            prop_assert_eq!(quota.admit(&uses, now, &zone), quota.admit(&recent, now, &zone));
        }
    }
}
