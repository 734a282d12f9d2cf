//! Reading a body that a stranger sends.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
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

/// How much, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The largest body taken, in bytes.
    pub(crate) limit: usize,
    /// What the sender says that it is going to send.
    pub(crate) announced: Option<u64>,
    /// How long it may take.
    pub(crate) time: Duration,
}

/// Reads within bounds: slower senders only keep a connection.
pub(crate) async fn read(payload: &mut Option<Payload>, bounds: Bounds) -> Body {
    let Bounds { limit, announced, time } = bounds;
    let Some(payload) = payload else { return Body::Broken };
    if announced.is_some_and(|length| length > limit.saturating_add(DRAINED) as u64) {
        return Body::TooLarge { read: 0 };
    }
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

/// The answer to a request whose body was not read to its end. A body that is thrown away before its answer is out would be
/// read on for as long as it comes; one that is kept until then ends with its connection.
pub(crate) fn unread(answer: HttpResponse, body: Payload) -> HttpResponse {
    answer.map_body(|_, answer| BoxBody::new(Unread { answer, _body: body }))
}

struct Unread {
    answer: BoxBody,
    _body: Payload,
}

impl MessageBody for Unread {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(cx)
    }
}
