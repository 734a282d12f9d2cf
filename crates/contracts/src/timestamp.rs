//! Moments.

use jiff::Timestamp;
use prost_types::Timestamp as WireTimestamp;

use crate::error::{DecodeError, read, require};

const NANOS: i32 = 1_000_000_000;

/// Before 1970 the wire counts nanoseconds forward from the second below, jiff backward from the one above.
pub(crate) fn to_wire(at: Timestamp) -> WireTimestamp {
    let (seconds, nanos) = (at.as_second(), at.subsec_nanosecond());
    if nanos < 0 {
        return WireTimestamp { seconds: seconds - 1, nanos: nanos + NANOS };
    }
    WireTimestamp { seconds, nanos }
}

pub(crate) fn from_wire(field: &'static str, at: Option<WireTimestamp>) -> Result<Timestamp, DecodeError> {
    let at = require(field, at)?;
    if !(0..NANOS).contains(&at.nanos) {
        return Err(DecodeError::field(field, "has nanoseconds outside of a second"));
    }
    read(field, Timestamp::new(at.seconds, at.nanos))
}

pub(crate) fn from_wire_optional(
    field: &'static str,
    at: Option<WireTimestamp>,
) -> Result<Option<Timestamp>, DecodeError> {
    at.map(|at| from_wire(field, Some(at))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_1970_keep_their_nanoseconds() {
        let at = Timestamp::new(-2, -250_000_000).unwrap();

        let wire = to_wire(at);

        assert_eq!((wire.seconds, wire.nanos), (-3, 750_000_000));
        assert_eq!(from_wire("at", Some(wire)), Ok(at));
    }

    #[test]
    fn a_moment_outside_of_the_calendar_is_refused_by_field() {
        let late = WireTimestamp { seconds: i64::MAX, nanos: 0 };
        let crooked = WireTimestamp { seconds: 0, nanos: -1 };

        for wire in [Some(late), Some(crooked), None] {
            assert!(from_wire("at", wire).unwrap_err().to_string().starts_with("at: "));
        }
    }
}
