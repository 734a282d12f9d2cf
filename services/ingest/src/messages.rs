//! What items become on the bus.

use bytes::Bytes;
use contracts::{Encoded, Published, Quarantined, event_message};
use domain::id::EventId;
use domain::touch::Note;
use jiff::Timestamp;
use ports::bus::{Message, Topic};
use webhooks::{Item, Outcome, Source, Translated, Untranslatable};

/// What the items of one delivery became.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    /// One per item, in order.
    pub(crate) ids: Vec<String>,
    /// What is to be published, all of it before the answer.
    pub(crate) messages: Vec<Message>,
    /// Events among them.
    pub(crate) accepted: u32,
    /// Quarantined items among them.
    pub(crate) quarantined: u32,
    /// Items that concern no cadence.
    pub(crate) ignored: u32,
    /// Why the first quarantined one was.
    pub(crate) reason: Option<Note>,
}

impl Outcomes {
    /// Translates items.
    pub(crate) fn of(source: &Source, items: Vec<Item>, received_at: Timestamp, trace: Option<&str>) -> Self {
        let mut all = Self::default();
        for item in items {
            let Outcome { id, digest, result } = source.translate(&item, received_at);
            match result {
                Ok(Translated::Event(event)) => {
                    all.accepted += 1;
                    all.messages.push(message(Topic::Events, event_message(&event, trace)));
                }
                Ok(Translated::Ignored(reason)) => {
                    all.ignored += 1;
                    tracing::debug!(source.name = %source.name(), reason, "an item concerns no cadence");
                }
                Err(why) => {
                    let reason = note(why);
                    all.quarantined += 1;
                    all.reason.get_or_insert_with(|| reason.clone());
                    let index = item.index;
                    let envelope = item.envelope();
                    let kept = Quarantined {
                        digest,
                        id: EventId::new(&id).expect("`Source::translate` makes ids that are names"),
                        workspace: source.workspace().clone(),
                        source: source.name().clone(),
                        provider: source.provider().to_owned(),
                        received_at,
                        reason,
                        body: Bytes::from(source.redact(item).body.to_string()),
                        content_type: "application/json".to_owned(),
                        headers: envelope,
                        item: index,
                    };
                    all.messages.push(message(Topic::Quarantine, kept.message(trace)));
                }
            }
            all.ids.push(id);
        }
        all
    }
}

fn note(why: Untranslatable) -> Note {
    Note::new(why.reason.as_str(), why.detail)
}

pub(crate) fn message(topic: Topic, encoded: Encoded) -> Message {
    let Encoded { key, headers, payload } = encoded;
    Message { topic, key, headers, payload }
}
