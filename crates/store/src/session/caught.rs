//! Transactions that panic: the fault of what they were given, not the end of the process or of SQLite's one writer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use ports::StoreError;

use super::{Tx, Work};
use crate::error::Fail;

/// Runs a transaction's body; a panic of it is refused like any data that cannot be written. What it did is rolled back.
pub(super) async fn run<W: Work>(work: &W, tx: &mut Tx) -> Result<W::Out, Fail> {
    let refused = || Err(StoreError::Rejected("its transaction panicked".to_owned()).into());
    caught(work.run(tx)).await.unwrap_or_else(refused)
}

/// A future's outcome; `None` when it panicked.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(out)) => Poll::Ready(Some(out)),
        Err(_) => Poll::Ready(None),
    })
    .await
}
