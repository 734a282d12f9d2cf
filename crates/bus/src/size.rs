//! How big a message may be: measured alike by every adapter.

use ports::bus::{BusError, Message};

/// The largest message where nothing else is configured: twice the largest body that is accepted by default, with room.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// What a log adds to a message at most; limits of topics and clients are raised by it.
pub const OVERHEAD_BYTES: usize = 64 * 1024;

/// Bytes of key, headers and payload.
pub(crate) fn size_of(message: &Message) -> usize {
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    message.key.len() + headers + message.payload.len()
}

/// Refuses what is too big, with its size.
pub(crate) fn check_size(message: &Message, limit: usize) -> Result<usize, BusError> {
    let size = size_of(message);
    if size > limit {
        return Err(BusError::Rejected(format!(
            "a message of {size} bytes for {}; the limit is {limit}",
            message.topic
        )));
    }
    Ok(size)
}
