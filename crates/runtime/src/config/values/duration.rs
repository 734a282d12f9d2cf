//! Durations as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::read_from_text;

/// A span of time written as `250ms`, `30s`, `5m`, `2h`, `14d`, `2w`, or several of them together (`1h30m`).
/// Days are 24 hours here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

/// Units from the longest to the shortest, in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Period {
    /// A period of this length.
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// Its length.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Whether it has no length.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.0
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = || {
            format!(
                "{text:?} is not a duration; write a number and a unit, such as \"30s\", \"5m\" or \"14d\""
            )
        };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(mistake());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|character: char| !character.is_ascii_digit()).ok_or_else(mistake)?;
            let (number, tail) = rest.split_at(digits);
            let unit_end = tail.find(|character: char| character.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let factor = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
            let number: u64 = number.parse().map_err(|_| mistake())?;
            let part = number.checked_mul(factor.ok_or_else(mistake)?);
            total = part
                .and_then(|part| total.checked_add(part))
                .ok_or_else(|| format!("{text:?} is too long"))?;
            rest = tail;
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let (unit, factor) = UNITS
            .into_iter()
            .filter(|(unit, _)| *unit != "w")
            .find(|(_, factor)| millis >= u128::from(*factor) && millis.is_multiple_of(u128::from(*factor)))
            .unwrap_or(("s", 1_000));
        write!(f, "{}{unit}", millis / u128::from(factor))
    }
}

read_from_text!(Period, "duration");

/// How old or how far ahead a signed timestamp may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// At most this far from now, in both directions.
    Within(Period),
    /// Any timestamp is taken: an old delivery can be replayed.
    Off,
}

impl FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::Within).map_err(|error| format!("{error}, or \"off\""))
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(period) => period.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

read_from_text!(Tolerance, "duration or \"off\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("14d", 1_209_600_000),
            ("2w", 1_209_600_000),
            (" 1d ", 86_400_000),
        ] {
            assert_eq!(text.parse(), Ok(Period(Duration::from_millis(millis))), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "m", "5x", "-5m", "5m!", "1.5h", "999999999999999999999d", "99999999999999999d"]
        {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_shown_in_their_largest_whole_unit() {
        for text in ["0s", "250ms", "90s", "5m", "36h", "14d"] {
            assert_eq!(text.parse::<Period>().map(|period| period.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_tolerance_may_be_off() {
        assert_eq!("off".parse(), Ok(Tolerance::Off));
        assert_eq!("5m".parse(), Ok(Tolerance::Within(Period(Duration::from_mins(5)))));
        assert!("never".parse::<Tolerance>().is_err_and(|error| error.contains("\"off\"")));
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read_back(millis in 0_u64..u64::MAX / 2) {
            let period = Period(Duration::from_millis(millis));

            proptest::prop_assert_eq!(period.to_string().parse(), Ok(period));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,12}") {
            let _ = text.parse::<Tolerance>();
        }
    }
}
