//! What makes two deliveries the same event: see the design's rule of deduplication.

use domain::id::{Digest, SourceName};

use crate::item::MessageId;

/// The digest of a provider's own id of the item; `scope` where ids are unique within something only.
pub(crate) fn of_id(source: &SourceName, scope: &str, id: &str) -> Digest {
    Digest::of(&[b"id".as_slice(), source.as_str().as_bytes(), scope.as_bytes(), id.as_bytes()])
}

/// The digest of an item that has none, in a message that has one.
pub(crate) fn of_message(source: &SourceName, message: &MessageId, index: u32) -> Digest {
    let (scope, id) = (message.scope.as_bytes(), message.id.as_bytes());
    Digest::of(&[b"message".as_slice(), source.as_str().as_bytes(), scope, id, &index.to_be_bytes()])
}

/// The digest of an item that nobody numbered: its bytes as sent.
pub(crate) fn of_bytes(source: &SourceName, bytes: &[u8]) -> Digest {
    Digest::of(&[b"bytes".as_slice(), source.as_str().as_bytes(), bytes])
}
