//! What is measured: how soon a rate was what it had been, and how large a process is.

use std::time::Duration;

use jiff::Timestamp;

/// How many of `times` lie in `[from, from + 1 s)`.
fn second(times: &[Timestamp], from: Timestamp) -> usize {
    let until = from + Duration::from_secs(1);
    times.partition_point(|at| *at < until) - times.partition_point(|at| *at < from)
}

/// So many seconds before an outage tell what was usual.
const BEFORE: u32 = 3;

/// From when on, after `back`, a second holds at least 95 % of what one held on average in the seconds until `gone`, or of
/// `offered`, the load that there is in a second, where that is less: what an outage before this one left to be made up for
/// is not the usual. `None`: it never did, or there was nothing before.
pub(crate) fn recovered(
    times: &mut [Timestamp],
    (gone, back): (Timestamp, Timestamp),
    offered: f64,
) -> Option<Duration> {
    times.sort();
    let seconds = (1..=BEFORE).map(|ago| second(times, gone - Duration::from_secs(u64::from(ago))));
    let usual = f64::from(u32::try_from(seconds.sum::<usize>()).unwrap()) / f64::from(BEFORE);
    let usual = if usual == 0.0 { offered } else { usual.min(offered) };
    let step = Duration::from_millis(100);
    let last = *times.last()?;
    let mut from = back;
    while from <= last {
        if f64::from(u32::try_from(second(times, from)).unwrap()) >= 0.95 * usual {
            return Some(Duration::try_from(from.duration_since(back)).unwrap_or_default());
        }
        from += step;
    }
    None
}

/// How many there were in each second from `before` it on until `after` it, for people.
pub(crate) fn around(times: &[Timestamp], moment: Timestamp, (before, after): (u64, u64)) -> Vec<usize> {
    let begin = moment - Duration::from_secs(before);
    (0..before + after).map(|at| second(times, begin + Duration::from_secs(at))).collect()
}

/// The resident memory of a process, in MiB.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

/// Median and largest, for people.
pub(crate) fn told(times: &[Option<Duration>]) -> String {
    let mut known: Vec<Duration> = times.iter().flatten().copied().collect();
    known.sort();
    let never = times.len() - known.len();
    match known.last() {
        Some(most) => {
            let median = known[known.len() / 2];
            let never = if never > 0 { format!(", never {never}") } else { String::new() };
            format!(
                "median {:.1} s, most {:.1} s of {}{never}",
                median.as_secs_f64(),
                most.as_secs_f64(),
                known.len()
            )
        }
        None => format!("never of {never}"),
    }
}
