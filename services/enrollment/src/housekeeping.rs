//! Keeps passing things from piling up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Deps;

const SLICE: usize = 5_000;
const PAUSE: Duration = Duration::from_secs(60);
const BREATH: Duration = Duration::from_millis(100);

/// Deletes what expired, in slices, until `stop`.
pub(crate) async fn run(deps: Arc<Deps>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let rest = match deps.housekeeping.expire(SLICE).await {
            Ok(gone) if gone >= SLICE => BREATH,
            Ok(_) => PAUSE,
            Err(error) => {
                tracing::warn!(error = %error, "expired rows could not be deleted");
                PAUSE
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(rest)).await;
    }
}

#[cfg(test)]
mod tests;
