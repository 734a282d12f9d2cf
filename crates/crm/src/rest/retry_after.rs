//! How long a CRM asks to wait, in every form that is in use.

use std::time::Duration;

use egress::Headers;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// The longest wait that is believed; a longer one is cut to it.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Reads `Retry-After` (seconds or HTTP-date, RFC 9110 §10.2.3), else `RateLimit` (`reset=5` or `t=5`), else
/// `RateLimit-Reset` and `X-RateLimit-Reset` (seconds, or an epoch time).
pub(super) fn read(headers: &Headers, now: Timestamp) -> Option<Duration> {
    let wait = headers
        .get("Retry-After")
        .and_then(|value| seconds(value).or_else(|| date(value, now)))
        .or_else(|| headers.get("RateLimit").and_then(parameter))
        .or_else(|| {
            ["RateLimit-Reset", "X-RateLimit-Reset"]
                .into_iter()
                .find_map(|name| headers.get(name).and_then(|value| reset(value, now)))
        })?;
    Some(wait.min(LONGEST))
}

fn seconds(value: &str) -> Option<Duration> {
    let value: f64 = value.trim().parse().ok()?;
    Duration::try_from_secs_f64(value).ok()
}

fn date(value: &str, now: Timestamp) -> Option<Duration> {
    // HTTP-dates end in GMT, which RFC 2822 knows as an obsolete zone.
    let at = rfc2822::parse(value.trim()).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

fn parameter(value: &str) -> Option<Duration> {
    value
        .split([',', ';'])
        .filter_map(|part| part.trim().split_once('='))
        .find(|(name, _)| matches!(*name, "reset" | "t"))
        .and_then(|(_, number)| seconds(number))
}

/// A number of seconds, or, when it is too large for that, an epoch time.
fn reset(value: &str, now: Timestamp) -> Option<Duration> {
    let number = seconds(value)?;
    if number < Duration::from_secs(1_000_000_000) {
        return Some(number);
    }
    let at = Timestamp::from_second(i64::try_from(number.as_secs()).ok()?).ok()?;
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &str, value: &str) -> Option<u64> {
        let now: Timestamp = "2026-03-06T14:00:00Z".parse().unwrap();
        let headers: Headers = [(name, value)].into_iter().collect();
        read(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn every_form_in_use_is_read() {
        assert_eq!(wait("Retry-After", "7"), Some(7));
        assert_eq!(wait("retry-after", "Fri, 06 Mar 2026 14:00:30 GMT"), Some(30));
        assert_eq!(wait("RateLimit", "limit=100, remaining=0, reset=5"), Some(5));
        assert_eq!(wait("RateLimit", "\"default\";r=0;t=9"), Some(9));
        assert_eq!(wait("RateLimit-Reset", "12"), Some(12));
        assert_eq!(wait("X-RateLimit-Reset", "1772805660"), Some(60));
    }

    #[test]
    fn a_past_date_asks_for_no_wait_and_a_far_one_is_cut() {
        assert_eq!(wait("Retry-After", "Fri, 06 Mar 2026 13:00:00 GMT"), Some(0));
        assert_eq!(wait("Retry-After", "999999"), Some(3600));
    }

    #[test]
    fn what_cannot_be_read_is_as_if_absent() {
        assert_eq!(wait("Retry-After", "soon"), None);
        assert_eq!(wait("Retry-After", "-5"), None);
        assert_eq!(wait("X-Other", "5"), None);
    }
}
