//! The canonical event.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::event::{Detail, Event, RecordRef, TaskRef};
use domain::id::{Digest, EventId, OwnerName, SourceName, TouchKey, Workspace};
use domain::identity::SubjectKeys;
use jiff::Timestamp;
use uuid::Uuid;

use crate::enums;
use crate::error::{DecodeError, read, read_16, read_enum, require};
use crate::message::{Encoded, Published, Wire, decode, encode, headers_of, key_of, source_of};
use crate::wire::{self, task_reference::Reference};
use crate::{subject, timestamp, value};

/// Key, headers and payload of an event. A `traceparent` that is not one of W3C Trace Context is left out.
#[must_use]
pub fn event_message(event: &Event, traceparent: Option<&str>) -> Encoded {
    event.message(traceparent)
}

/// The headers of an event in the log: CloudEvents attributes and the trace. They hold no personal data.
#[must_use]
pub fn headers(event: &Event, traceparent: Option<&str>) -> BTreeMap<String, String> {
    // The event's id is its digest, so that its headers do not depend on the payload.
    headers_of(event, &Bytes::new(), traceparent)
}

impl Wire for Event {
    fn to_bytes(&self) -> Bytes {
        encode(&wire::Event {
            id: self.id.as_str().to_owned(),
            digest: self.digest.0.to_vec(),
            workspace: self.workspace.as_str().to_owned(),
            source: self.source.as_str().to_owned(),
            kind: enums::kind_to_wire(self.kind).into(),
            occurred_at: Some(timestamp::to_wire(self.occurred_at)),
            received_at: Some(timestamp::to_wire(self.received_at)),
            subject: subject::subject_to_wire(&self.subject),
            account: subject::account_to_wire(&self.account),
            detail: (self.detail != Detail::default()).then(|| detail_to_wire(&self.detail)),
            actor: self.actor.clone(),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let event: wire::Event = decode(bytes)?;
        let kind = read_enum("kind", event.kind, enums::kind_from_wire)?;
        Ok(Self {
            id: read("id", EventId::try_from(event.id))?,
            digest: Digest(read_16("digest", &event.digest)?),
            workspace: read("workspace", Workspace::try_from(event.workspace))?,
            source: read("source", SourceName::try_from(event.source))?,
            kind: require("kind", kind)?,
            occurred_at: timestamp::from_wire("occurred_at", event.occurred_at)?,
            received_at: timestamp::from_wire("received_at", event.received_at)?,
            subject: subject::subject_from_wire(event.subject)?,
            account: subject::account_from_wire(event.account)?,
            detail: event.detail.map(detail_from_wire).transpose()?.unwrap_or_default(),
            actor: event.actor,
        })
    }
}

impl Published for Event {
    /// The workspace, and a digest of the first of: e-mail, CRM id, phone, account. It only keeps one contact's events
    /// near each other; no rule may rely on their order.
    fn key(&self) -> Vec<u8> {
        let SubjectKeys { email, phone, crm_ids } = &self.subject;
        let named = email
            .as_ref()
            .map(|email| ("email", email.as_str()))
            .or_else(|| crm_ids.first().map(|id| ("crm", id.as_str())))
            .or_else(|| phone.as_ref().map(|phone| ("phone", phone.as_str())))
            .or_else(|| self.account.id.as_deref().map(|id| ("account", id)))
            .or_else(|| self.account.domain.as_ref().map(|domain| ("domain", domain.as_str())));
        let digest =
            named.map_or(self.digest, |(kind, value)| Digest::of(&[kind.as_bytes(), value.as_bytes()]));
        key_of(&self.workspace, digest)
    }

    fn ce_id(&self, _payload: &Bytes) -> String {
        self.digest.to_hex()
    }

    fn ce_source(&self) -> String {
        source_of(&self.workspace, &self.source)
    }

    fn ce_type(&self) -> String {
        format!("drumbeat.{}.v1", self.kind)
    }

    fn ce_time(&self) -> Timestamp {
        self.occurred_at
    }
}

fn detail_to_wire(detail: &Detail) -> wire::Detail {
    wire::Detail {
        owner: detail.owner.as_ref().map(|owner| owner.as_str().to_owned()),
        task: detail.task.as_ref().map(task_to_wire),
        record: detail
            .record
            .as_ref()
            .map(|record| wire::RecordReference { r#type: record.kind.clone(), id: record.id.clone() }),
        name: detail.name.clone(),
        channel: detail.channel.map(enums::channel_to_wire).unwrap_or_default().into(),
        classification: detail.classification.map(enums::classification_to_wire).unwrap_or_default().into(),
        until: detail.until.map(timestamp::to_wire),
        outcome: detail.outcome.clone(),
        bounce: detail.bounce.map(enums::bounce_to_wire).unwrap_or_default().into(),
        score: detail.score,
        machine: detail.machine,
        reason: detail.reason.clone(),
        contact: value::map_to_wire(&detail.contact),
        account: value::map_to_wire(&detail.account),
        deal: value::map_to_wire(&detail.deal),
        data: value::map_to_wire(&detail.data),
    }
}

fn detail_from_wire(detail: wire::Detail) -> Result<Detail, DecodeError> {
    Ok(Detail {
        owner: read("detail.owner", detail.owner.map(OwnerName::try_from).transpose())?,
        task: detail.task.map(task_from_wire).transpose()?,
        record: detail.record.map(|record| RecordRef { kind: record.r#type, id: record.id }),
        name: detail.name,
        channel: read_enum("detail.channel", detail.channel, enums::channel_from_wire)?,
        classification: read_enum(
            "detail.classification",
            detail.classification,
            enums::classification_from_wire,
        )?,
        until: timestamp::from_wire_optional("detail.until", detail.until)?,
        outcome: detail.outcome,
        bounce: read_enum("detail.bounce", detail.bounce, enums::bounce_from_wire)?,
        score: detail.score,
        machine: detail.machine,
        reason: detail.reason,
        contact: value::map_from_wire("detail.contact", detail.contact)?,
        account: value::map_from_wire("detail.account", detail.account)?,
        deal: value::map_from_wire("detail.deal", detail.deal)?,
        data: value::map_from_wire("detail.data", detail.data)?,
    })
}

fn task_to_wire(task: &TaskRef) -> wire::TaskReference {
    let reference = match task {
        TaskRef::Key(TouchKey(key)) => Reference::Key(key.as_bytes().to_vec()),
        TaskRef::Remote(id) => Reference::Remote(id.clone()),
    };
    wire::TaskReference { reference: Some(reference) }
}

fn task_from_wire(task: wire::TaskReference) -> Result<TaskRef, DecodeError> {
    Ok(match require("detail.task.reference", task.reference)? {
        Reference::Key(key) => TaskRef::Key(TouchKey(Uuid::from_bytes(read_16("detail.task.key", &key)?))),
        Reference::Remote(id) => TaskRef::Remote(id),
    })
}
