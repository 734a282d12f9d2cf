//! Places at which a test ends the process as a power cut would. Only with the feature `failpoints`: what ships has none.
//!
//! `DRUMBEAT_FAILPOINT=store.mark.committed@3` aborts at the third pass of that place. One place a process, once.

/// Arms the place that the environment names, if any.
///
/// # Errors
/// When it names no place that there is: a test that never fails would say nothing.
#[cfg(feature = "failpoints")]
pub(crate) fn arm() -> Result<(), crate::exit::Failure> {
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::exit::Failure;

    const PLACES: [&str; 11] = [
        "bus.publish.unacknowledged",
        "bus.publish.acknowledged",
        "store.unit.uncommitted",
        "store.unit.committed",
        "store.mark.uncommitted",
        "store.mark.committed",
        "dispatcher.call.before",
        "dispatcher.call.after",
        "dispatcher.settle.before",
        "dispatcher.settle.after",
        "enrollment.relay.published",
    ];
    let Some(asked) = super::variable("DRUMBEAT_FAILPOINT") else {
        return Ok(());
    };
    let refused = || {
        let places = PLACES.join(", ");
        Failure::Refused(format!("DRUMBEAT_FAILPOINT={asked} is not PLACE@PASS; the places are {places}"))
    };
    let (place, pass) = asked.split_once('@').ok_or_else(refused)?;
    let pass: u64 = pass.parse().map_err(|_| refused())?;
    if !PLACES.contains(&place) || pass == 0 {
        return Err(refused());
    }
    let passed = AtomicU64::new(0);
    let abort = move || {
        if passed.fetch_add(1, Ordering::Relaxed) + 1 == pass {
            std::process::abort();
        }
    };
    fail::cfg_callback(place, abort).map_err(|_| refused())
}

/// Nothing to arm.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn arm() -> Result<(), crate::exit::Failure> {
    Ok(())
}
