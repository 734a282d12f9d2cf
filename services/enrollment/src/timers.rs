//! Timers other than touches.

use std::sync::Arc;
use std::time::Duration;

use domain::touch::TimerKind;
use jiff::Timestamp;
use ports::StoreResult;
use ports::wake::Wake;
use tokio_util::sync::CancellationToken;

use crate::Deps;

const SLICE: usize = 200;
/// The longest sleep.
const NAP: Duration = Duration::from_secs(1);
/// The shortest: another process may be firing the timer that was seen.
const POLL: Duration = Duration::from_millis(20);

const KINDS: [TimerKind; 4] = [TimerKind::Wait, TimerKind::Overdue, TimerKind::Resume, TimerKind::End];

/// Fires timers until `stop`.
pub(crate) async fn run(deps: Arc<Deps>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let seen = deps.wakes.generation(Wake::Timers);
        match engine::fire_due(deps.units.as_ref(), &deps.catalogs, SLICE).await {
            Ok(fired) if fired.stuck > 0 => {
                stop.run_until_cancelled(tokio::time::sleep(NAP)).await;
                continue;
            }
            Ok(fired) if fired.found == SLICE => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %error, "timers wait for the store");
                stop.run_until_cancelled(tokio::time::sleep(NAP)).await;
                continue;
            }
        }
        let nap = until_next(&deps).await.unwrap_or(NAP).clamp(POLL, NAP);
        stop.run_until_cancelled(deps.wakes.changed(Wake::Timers, seen, nap)).await;
    }
}

async fn until_next(deps: &Deps) -> StoreResult<Duration> {
    let Some(due) = deps.units.next_timer(&KINDS).await? else {
        return Ok(NAP);
    };
    let due: Timestamp = deps.units.business().wall(due);
    Ok(Duration::try_from(due.duration_since(deps.clock.now())).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests;
