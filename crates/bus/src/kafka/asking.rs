//! Questions to librdkafka that may miss their answer.
//!
//! `rd_kafka_clusterid` and `rd_kafka_committed` look whether the answer is there, and if not wait for a change. A change between
//! the two is missed, and the wait lasts as long as it may, though the answer has long been there: once in some hundred starts of a
//! process, which then took ten seconds. So they are asked in slices, and look again after each.

use std::time::Duration;

use tokio::time::Instant;

/// The first slice; each is twice as long as the one before, for a cluster that is slow.
const SLICE: Duration = Duration::from_millis(250);

/// Asks for at most so long, a slice at a time; who gives no answer and does not wait for one either is not asked again. `None`:
/// there was no answer.
pub(super) fn asked<T>(within: Duration, mut ask: impl FnMut(Duration) -> Option<T>) -> Option<T> {
    let until = Instant::now() + within;
    let mut slice = SLICE;
    loop {
        let began = Instant::now();
        let within = slice.min(until.saturating_duration_since(began));
        let answer = ask(within);
        let refused = began.elapsed() < within / 2;
        if answer.is_some() || refused || Instant::now() >= until {
            return answer;
        }
        slice *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What librdkafka does when it missed the answer: waits for all of its time.
    fn wait(slice: Duration) {
        std::thread::sleep(slice);
    }

    #[test]
    fn an_answer_that_was_missed_is_found_with_the_next_slice() {
        let mut slices = Vec::new();

        let answer = asked(Duration::from_secs(10), |slice| {
            slices.push(slice);
            wait(slice);
            (slices.len() == 2).then_some("here")
        });

        assert_eq!((answer, slices), (Some("here"), vec![SLICE, SLICE * 2]));
    }

    #[test]
    fn who_refuses_at_once_is_not_asked_again_and_again() {
        let mut times = 0;

        let answer: Option<()> = asked(Duration::from_secs(10), |_| {
            times += 1;
            None
        });

        assert_eq!((answer, times), (None, 1));
    }

    #[test]
    fn who_does_not_answer_is_asked_for_as_long_as_was_said_and_no_longer() {
        let mut asked_for = Duration::ZERO;

        let answer: Option<()> = asked(SLICE * 4, |slice| {
            asked_for += slice;
            wait(slice);
            None
        });

        assert_eq!(answer, None);
        assert!(asked_for > SLICE * 3 && asked_for <= SLICE * 4, "{asked_for:?}");
    }
}
