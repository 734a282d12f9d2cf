//! Time zones by name, from the database that is compiled in.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The zones of the build: the same on every machine, read from no file, so that a replay elsewhere comes to the same times.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of an IANA name such as `Europe/Berlin`, in any case; none when there is no such zone.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("utc") {
        return Some(TimeZone::UTC);
    }
    ZONES.get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_their_iana_name_only() {
        for name in ["Europe/Berlin", "america/new_york", "UTC", "Asia/Kathmandu"] {
            assert!(zone(name).is_some(), "{name}");
        }
        for name in ["", "Mars/Base", "../etc/passwd", "Berlin", "+02:00"] {
            assert!(zone(name).is_none(), "{name}");
        }
    }
}
