//! The one place that listens to signals.

use std::convert::Infallible;
use std::future;

use tokio::sync::mpsc;

/// Passes on every SIGTERM and SIGINT by name, for ever.
#[cfg(unix)]
pub(super) async fn listen(heard: mpsc::Sender<&'static str>) -> Infallible {
    use tokio::signal::unix::SignalKind;
    use tokio::signal::unix::signal;

    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be listened to; only a kill will end this process");
        return future::pending().await;
    };
    loop {
        let name = tokio::select! {
            Some(()) = terminate.recv() => "SIGTERM",
            Some(()) = interrupt.recv() => "SIGINT",
            else => return future::pending().await,
        };
        // A full channel means that the process is being hurried already.
        let _ = heard.try_send(name);
    }
}

/// Passes on every Ctrl-C, for ever.
#[cfg(not(unix))]
pub(super) async fn listen(heard: mpsc::Sender<&'static str>) -> Infallible {
    while tokio::signal::ctrl_c().await.is_ok() {
        let _ = heard.try_send("Ctrl-C");
    }
    future::pending().await
}
