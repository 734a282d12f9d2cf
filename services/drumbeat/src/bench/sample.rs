//! Durations that were measured, and what is said of them.

use std::time::Duration;

/// Measured durations, all of them: a run gathers at most some millions, and a percentile of all is exact.
#[derive(Debug, Default, Clone)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    pub(super) fn push(&mut self, one: Duration) {
        self.0.push(one);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest duration that at least `share` (0 to 1) of all do not exceed, by the nearest rank; `None` of none.
    pub(super) fn percentile(&self, share: f64) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank within the sample"
        )]
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied()
    }
}

/// How many there were in a second.
pub(super) fn rate(count: usize, took: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    let count = count as f64;
    let took = took.as_secs_f64();
    if took > 0.0 { count / took } else { 0.0 }
}

/// Milliseconds, as figures are shown.
pub(super) fn millis(one: Duration) -> f64 {
    one.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Sample {
        Sample(millis.into_iter().map(Duration::from_millis).collect())
    }

    #[test]
    fn a_percentile_is_the_nearest_rank_of_the_whole_sample() {
        let sample = of((1..=100).rev());

        assert_eq!(sample.percentile(0.5), Some(Duration::from_millis(50)));
        assert_eq!(sample.percentile(0.99), Some(Duration::from_millis(99)));
        assert_eq!(sample.percentile(1.0), Some(Duration::from_millis(100)));
    }

    #[test]
    fn one_measurement_is_every_percentile_and_none_has_none() {
        assert_eq!(of([7]).percentile(0.01), Some(Duration::from_millis(7)));
        assert_eq!(of([]).percentile(0.5), None);
    }

    #[test]
    fn a_rate_of_no_time_is_nought() {
        assert!((rate(500, Duration::from_millis(250)) - 2000.0).abs() < 1e-9);
        assert!(rate(5, Duration::ZERO).abs() < 1e-9);
    }
}
