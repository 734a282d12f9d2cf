//! Ready is who can make an event durable.

use std::sync::Arc;
use std::time::Duration;

use ports::bus::Publisher;
use runtime::health::{Readiness, Status};
use runtime::lifecycle::Shutdown;

/// The component's name in `/readyz`.
pub(crate) const NAME: &str = "ingest";

/// How often the bus is asked.
const EVERY: Duration = Duration::from_secs(2);

/// Keeps the component's readiness up to date until the shutdown begins.
pub(crate) async fn watch(publisher: Arc<dyn Publisher>, readiness: Readiness, shutdown: Shutdown) {
    loop {
        let status = match publisher.ready().await {
            Ok(()) => Status::Ready,
            Err(error) => Status::not_ready(error.to_string()),
        };
        readiness.set(NAME, status);
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.soft() => return,
        }
    }
}
