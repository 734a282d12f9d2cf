//! Reading a body that a stranger sends.

use std::time::Duration;

use actix_web::web::{Bytes, BytesMut, Payload};
use futures::StreamExt;

/// How much of a body that is too large is read and thrown away, so that the sender gets to read the answer.
pub(crate) const DRAINED: usize = 4 * 1024 * 1024;

/// What came.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it.
    Whole(Bytes),
    /// More than the limit.
    TooLarge { read: usize },
    /// It did not end in time.
    TooSlow,
    /// The sender went away, or broke the protocol.
    Broken,
}

/// Reads at most `limit` bytes, for at most `time`: slower senders only keep a connection.
pub(crate) async fn read(mut payload: Payload, limit: usize, time: Duration) -> Body {
    let mut body = BytesMut::new();
    let mut read: usize = 0;
    let over = tokio::time::sleep(time);
    tokio::pin!(over);
    loop {
        let chunk = tokio::select! {
            chunk = payload.next() => chunk,
            () = &mut over => {
                if read <= limit {
                    return Body::TooSlow;
                }
                break;
            }
        };
        let Some(chunk) = chunk else { break };
        let Ok(chunk) = chunk else { return Body::Broken };
        read = read.saturating_add(chunk.len());
        if read <= limit {
            body.extend_from_slice(&chunk);
        } else {
            // What was read of it is of no use, and its memory is wanted by others.
            body = BytesMut::new();
            if read > limit.saturating_add(DRAINED) {
                break;
            }
        }
    }
    if read > limit { Body::TooLarge { read } } else { Body::Whole(body.freeze()) }
}
