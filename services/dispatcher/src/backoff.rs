//! How long to wait before another attempt.

use std::time::Duration;

use domain::id::TouchKey;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Doubles from 1 s to 15 min, spread over ±50 % so that touches that failed together do not come back together.
///
/// The spread is drawn from the touch's key: no randomness is needed, since keys are spread already.
pub(crate) fn delay(key: TouchKey, attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(20);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let bytes = key.0.as_bytes();
    // Another byte for each attempt: the long waits of one key are not all long, or all short.
    let at = usize::try_from(attempt.unsigned_abs() % 16).unwrap_or_default();
    let mixed = u16::from_be_bytes([bytes[at], bytes[(at + 7) % 16]]);
    let share = 0.5 + f64::from(mixed % 1000) / 1000.0;
    whole.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn delays_grow_to_a_quarter_of_an_hour_and_stay_within_half() {
        for seed in 0..200_u128 {
            let key = TouchKey(Uuid::from_u128(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)));
            for attempt in 1..40 {
                let whole = FIRST.saturating_mul(1 << (attempt - 1).min(20)).min(LONGEST);
                let delay = delay(key, attempt);
                assert!(delay >= whole.mul_f64(0.5) && delay <= whole.mul_f64(1.5), "{attempt}: {delay:?}");
            }
        }
    }

    #[test]
    fn touches_that_failed_together_come_back_apart() {
        let delays: std::collections::BTreeSet<Duration> = (0..64_u128)
            .map(|seed| delay(TouchKey(Uuid::new_v5(&Uuid::NAMESPACE_OID, &seed.to_be_bytes())), 5))
            .collect();
        assert!(delays.len() > 40, "{}", delays.len());
    }
}
