//! SendGrid's event webhook: batches of mail events, signed with a key pair.
//!
//! <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event>

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use domain::event::EventKind;
use serde_json::{Map, Value};

use crate::fields::{Fields, Group, Target};
use crate::item::{Item, Untranslatable};
use crate::mapping::Mapping;
use crate::pointer::Pointer;
use crate::provider::{Provider, Reading};
use crate::verify::{self, Defaults, Tolerance, Verifier};

/// See the module.
#[derive(Debug)]
pub(crate) struct SendGrid;

/// The body is the array of events.
static EACH: LazyLock<[Pointer; 1]> = LazyLock::new(|| [Pointer::whole()]);

impl Provider for SendGrid {
    fn name(&self) -> &'static str {
        "sendgrid"
    }

    fn own_scheme(&self, defaults: Defaults<'_>) -> Option<Result<Verifier, String>> {
        let table = serde_json::json!({
            "scheme": "ecdsa-p256",
            "header": "X-Twilio-Email-Event-Webhook-Signature",
            "encoding": "base64",
            "signed": "{ts}{body}",
            "timestamp_header": "X-Twilio-Email-Event-Webhook-Timestamp",
        });
        // The vendor states no window, and repeats for a day; duplicates are found by their ids.
        let tolerance = defaults.tolerance.or(Some(Tolerance::Off));
        Some(verify::compile(&table, Defaults { tolerance, ..defaults }))
    }

    fn each(&self) -> Option<&'static [Pointer]> {
        Some(&*EACH)
    }

    fn read(&self, item: &Item, _: Option<&Mapping>) -> Result<Reading, Untranslatable> {
        let event = item
            .body
            .as_object()
            .ok_or_else(|| Untranslatable::wrong_shape("expected an object per event"))?;
        let name = event.get("event").and_then(Value::as_str);
        let name =
            name.ok_or_else(|| Untranslatable::wrong_shape("event: expected the name of the event"))?;

        let mut fields = Fields::new();
        match name {
            "processed" => fields.set(Target::Kind, EventKind::EmailSent.as_str()),
            "delivered" => fields.set(Target::Kind, EventKind::EmailDelivered.as_str()),
            "open" => fields.set(Target::Kind, EventKind::EmailOpened.as_str()),
            "click" => fields.set(Target::Kind, EventKind::EmailClicked.as_str()),
            "spamreport" => fields.set(Target::Kind, EventKind::Complained.as_str()),
            "unsubscribe" | "group_unsubscribe" => fields.set(Target::Kind, EventKind::Unsubscribed.as_str()),
            "group_resubscribe" => fields.set(Target::Kind, EventKind::Resubscribed.as_str()),
            "bounce" => {
                fields.set(Target::Kind, EventKind::Bounced.as_str());
                fields.set(Target::Bounce, if is_hard(event) { "hard" } else { "soft" });
            }
            "dropped" => dropped(event, &mut fields),
            "deferred" => {
                fields.set(Target::Kind, EventKind::Custom.as_str());
                fields.set(Target::Name, "email_deferred");
            }
            // It concerns the account at SendGrid, and no person.
            "account_status_change" => return Ok(Reading::Ignore("account_status_change")),
            other => return Err(Untranslatable::unknown_kind(other)),
        }
        common(event, &mut fields);
        Ok(Reading::Fields(fields))
    }
}

/// `bounce` is for good and `blocked` for now; the field is missing in older events, where the status says it.
fn is_hard(event: &Map<String, Value>) -> bool {
    match event.get("type").and_then(Value::as_str) {
        Some("blocked") => false,
        Some(_) => true,
        None => !event.get("status").and_then(Value::as_str).is_some_and(|status| status.starts_with('4')),
    }
}

/// SendGrid did not try, mostly because its own list forbids: that list is worth knowing, and no event of its own.
fn dropped(event: &Map<String, Value>, fields: &mut Fields) {
    let reason = event.get("reason").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let kind = if reason.contains("unsubscribed") {
        EventKind::Unsubscribed
    } else if reason.starts_with("spam report") {
        EventKind::Complained
    } else if reason.contains("bounced") || reason == "invalid" {
        fields.set(Target::Bounce, "hard");
        EventKind::Bounced
    } else {
        fields.set(Target::Name, "email_dropped");
        EventKind::Custom
    };
    fields.set(Target::Kind, kind.as_str());
    fields.put(Group::Data, "dropped", true);
}

/// Names of SendGrid's own, under which no custom argument can come.
const OWN: [&str; 12] = [
    "email",
    "timestamp",
    "event",
    "sg_event_id",
    "reason",
    "response",
    "type",
    "ip",
    "useragent",
    "tls",
    "attempt",
    "pool",
];

fn common(event: &Map<String, Value>, fields: &mut Fields) {
    fields.copy(Target::Id, event.get("sg_event_id"));
    fields.copy(Target::OccurredAt, event.get("timestamp"));
    fields.copy(Target::Email, event.get("email"));
    fields.copy(Target::Reason, event.get("reason").or_else(|| event.get("response")));
    fields.copy(Target::Machine, event.get("sg_machine_open"));
    fields.set(Target::Channel, "email");
    for (name, value) in event {
        match name.as_str() {
            // Custom arguments of a mail that we had sent: they name its task.
            "drumbeat_key" | "drumbeat_task" => fields.set(Target::Task, value.clone()),
            name if OWN.contains(&name) => {}
            "sg_message_id" => fields.put(Group::Data, "message_id", value.clone()),
            // Everything else: the category, the link, the group, and custom arguments under their own names.
            name => fields.put(Group::Data, name.replace('-', "_"), value.clone()),
        }
    }
}
