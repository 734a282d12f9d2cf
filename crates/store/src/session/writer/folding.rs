//! Moves what was committed from SQLite's log of changes (`-wal`) into the file, beside the writer.
//!
//! Otherwise the COMMIT that finds the log long does it: it writes pages all over the file, waits for the disk, and everybody in its
//! group with it, so that marks come too late to be used. Where this one does not keep up, COMMITs still do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::sql::Conn;

/// How long commits collect: what they changed several times is written once.
const COLLECT: Duration = Duration::from_millis(250);

/// The writer's side.
pub(super) struct Folding {
    committed: Arc<Notify>,
    /// Dropped to have it end.
    running: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Folding {
    /// With the task to run beside the writer.
    pub(super) fn new(conn: Conn) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let committed = Arc::new(Notify::new());
        let (running, end) = oneshot::channel();
        let (tell, ended) = oneshot::channel();
        let fold = fold(conn, Arc::clone(&committed), end, tell);
        (Self { committed, running, ended }, fold)
    }

    /// There is something to move.
    pub(super) fn committed(&self) {
        self.committed.notify_one();
    }

    /// Waits until its connection is closed.
    pub(super) async fn end(self) {
        drop(self.running);
        let _ = self.ended.await;
    }
}

async fn fold(
    mut conn: Conn,
    committed: Arc<Notify>,
    mut end: oneshot::Receiver<()>,
    tell: oneshot::Sender<()>,
) {
    loop {
        let next = async {
            committed.notified().await;
            tokio::time::sleep(COLLECT).await;
        };
        tokio::select! {
            _ = &mut end => break,
            () = next => {}
        }
        // Takes no lock that a writer or a reader needs. Where it fails (a full disk) COMMITs will say so.
        if let Err(fail) = conn.plain("pragma wal_checkpoint(passive)").await {
            tracing::debug!(error = %fail.into_error(), "SQLite's log of changes is not folded now");
        }
    }
    if let Err(fail) = conn.close().await {
        tracing::warn!(error = %fail.into_error(), "SQLite's file did not close well");
    }
    let _ = tell.send(());
}
