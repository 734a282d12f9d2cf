//! Fields into a canonical event: everything is checked and normalised here, for all providers alike.

use domain::attributes::Attributes;
use domain::event::{Bounce, Classification, Detail, Event, EventKind, RecordRef, StopClass, TaskRef};
use domain::id::{Digest, EventId, OwnerName, SourceName, Workspace};
use domain::identity::{AccountKeys, CrmId, Domain, Email, Phone, SubjectKeys};
use domain::touch::Channel;
use jiff::Timestamp;
use serde_json::Value;

use crate::convert;
use crate::fields::{Fields, Group, Target, is_blank};
use crate::item::Untranslatable;

#[cfg(test)]
mod tests;

/// What an event has beside its fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) source: &'a SourceName,
    pub(crate) digest: Digest,
    pub(crate) id: &'a str,
    pub(crate) received_at: Timestamp,
}

/// Makes the event.
pub(crate) fn build(mut fields: Fields, frame: Frame<'_>) -> Result<Event, Untranslatable> {
    let kind = kind(&fields)?;
    lift_keys(&mut fields);
    let task = text(&fields, Target::Task)?.map(|text| TaskRef::parse(&text));
    let subject = subject(&mut fields)?;
    let account = account(&fields)?;
    if subject.is_empty() && account.is_empty() && task.is_none() {
        return Err(Untranslatable::no_subject());
    }
    let occurred_at = occurred_at(&fields, kind, frame.received_at)?;
    let detail = detail(&mut fields, kind, task)?;
    check_complete(kind, &subject, &detail)?;
    let id = EventId::new(frame.id).map_err(|_| wrong(Target::Id, "1 to 255 printable characters"))?;
    Ok(Event {
        id,
        digest: frame.digest,
        workspace: frame.workspace.clone(),
        source: frame.source.clone(),
        kind,
        occurred_at,
        received_at: frame.received_at,
        subject,
        account,
        detail,
        actor: None,
    })
}

fn wrong(target: Target, expected: &str) -> Untranslatable {
    Untranslatable::wrong_shape(format!("{target}: expected {expected}"))
}

fn kind(fields: &Fields) -> Result<EventKind, Untranslatable> {
    if let Some(given) = &fields.unlisted_kind {
        return Err(Untranslatable::unknown_kind(given));
    }
    let given = text(fields, Target::Kind)?.ok_or_else(|| wrong(Target::Kind, "the kind of the event"))?;
    EventKind::parse(&given)
        .filter(|kind| kind.is_external())
        .ok_or_else(|| Untranslatable::unknown_kind(&given))
}

fn text(fields: &Fields, target: Target) -> Result<Option<String>, Untranslatable> {
    let Some(value) = fields.get(target) else { return Ok(None) };
    convert::text(value).map(Some).ok_or_else(|| wrong(target, "a text or a number"))
}

/// Keys that came as attributes are keys: `contact.email` is the person's address.
fn lift_keys(fields: &mut Fields) {
    let keys = [
        (Group::Contact, "email", Target::Email),
        (Group::Contact, "phone", Target::Phone),
        (Group::Contact, "crm_id", Target::CrmId),
        (Group::Contact, "owner", Target::Owner),
        (Group::Account, "id", Target::AccountId),
        (Group::Account, "domain", Target::AccountDomain),
    ];
    for (group, name, target) in keys {
        if let Some(value) = fields.take(group, name)
            && fields.get(target).is_none()
        {
            fields.set(target, value);
        }
    }
}

/// A key that cannot be read counts only when no other one names the person: a badly written phone number beside a
/// good e-mail address loses nothing but itself, and stays readable as `event.phone`.
fn subject(fields: &mut Fields) -> Result<SubjectKeys, Untranslatable> {
    let mut unreadable = Vec::new();
    let email = text(fields, Target::Email)?.and_then(|written| {
        Email::parse(&written)
            .map_err(|_| unreadable.push((Target::Email, "an e-mail address", written)))
            .ok()
    });
    let country = fields.take(Group::Contact, "country");
    let hint = country.as_ref().and_then(Value::as_str).map(str::trim).filter(|code| code.len() == 2);
    let phone = text(fields, Target::Phone)?.and_then(|written| {
        let expected = "a phone number in international form, or contact.country as its two-letter code";
        Phone::parse_in(&written, hint).map_err(|_| unreadable.push((Target::Phone, expected, written))).ok()
    });
    if let Some(country) = country {
        fields.put(Group::Contact, "country", country);
    }
    let given = match fields.get(Target::CrmId) {
        None => Vec::new(),
        Some(Value::Array(ids)) => ids.iter().filter(|id| !is_blank(id)).cloned().collect(),
        Some(one) => vec![one.clone()],
    };
    let mut crm_ids: Vec<CrmId> = Vec::with_capacity(given.len());
    for value in &given {
        let id = convert::text(value).and_then(|id| CrmId::new(&id).ok());
        let id = id.ok_or_else(|| {
            wrong(Target::CrmId, "a record id of 1 to 255 printable characters, or a list of them")
        })?;
        if !crm_ids.contains(&id) {
            crm_ids.push(id);
        }
    }
    let subject = SubjectKeys { email, phone, crm_ids };
    if subject.is_empty()
        && let Some((target, expected, _)) = unreadable.first()
    {
        return Err(wrong(*target, expected));
    }
    for (target, _, written) in unreadable {
        fields.put(Group::Data, target.as_str(), written);
    }
    Ok(subject)
}

fn account(fields: &Fields) -> Result<AccountKeys, Untranslatable> {
    let id = text(fields, Target::AccountId)?;
    if id.as_ref().is_some_and(|id| id.len() > 255) {
        return Err(wrong(Target::AccountId, "at most 255 bytes"));
    }
    let written = text(fields, Target::AccountDomain)?;
    // The same mildness as with a person's keys: a web address that is none is not worth losing the event for.
    let domain = written.and_then(|written| Domain::parse(&written).ok());
    Ok(AccountKeys { id, domain })
}

/// An unreadable time makes the event wrong, except where losing the event would be worse: an opt-out counts now.
fn occurred_at(
    fields: &Fields,
    kind: EventKind,
    received_at: Timestamp,
) -> Result<Timestamp, Untranslatable> {
    let Some(value) = fields.get(Target::OccurredAt) else { return Ok(received_at) };
    match (convert::time(value), kind.stop_class()) {
        (Some(time), _) => Ok(time.min(received_at)),
        (None, StopClass::Always) => Ok(received_at),
        (None, StopClass::Ordinary) => Err(wrong(
            Target::OccurredAt,
            "a time: RFC 3339, RFC 2822 or a count of seconds or milliseconds since 1970",
        )),
    }
}

fn detail(fields: &mut Fields, kind: EventKind, task: Option<TaskRef>) -> Result<Detail, Untranslatable> {
    let owner = text(fields, Target::Owner)?
        .map(|owner| {
            OwnerName::new(owner).map_err(|_| wrong(Target::Owner, "a name of 1 to 254 printable characters"))
        })
        .transpose()?;
    let until = match fields.get(Target::Until) {
        None => None,
        // A person's absence without a readable end is still an absence.
        Some(value) if kind == EventKind::Replied => convert::time(value),
        Some(value) => Some(convert::time(value).ok_or_else(|| wrong(Target::Until, "a time"))?),
    };
    let bounce = text(fields, Target::Bounce)?
        .map(|text| Bounce::parse(&text.to_lowercase()).ok_or_else(|| wrong(Target::Bounce, "hard or soft")))
        .transpose()?;
    let score = fields
        .get(Target::Score)
        .map(|value| convert::number(value).ok_or_else(|| wrong(Target::Score, "a number")))
        .transpose()?;
    let machine = fields
        .get(Target::Machine)
        .map(|value| convert::flag(value).ok_or_else(|| wrong(Target::Machine, "true or false")))
        .transpose()?;
    let classification = classification(fields)?;
    Ok(Detail {
        owner,
        task,
        record: record(fields)?,
        name: text(fields, Target::Name)?,
        channel: channel(fields, kind)?,
        classification,
        until,
        outcome: text(fields, Target::Outcome)?.map(|outcome| convert::snake(&outcome)),
        bounce,
        score,
        machine: machine.unwrap_or(false),
        reason: text(fields, Target::Reason)?,
        contact: present(fields.take_group(Group::Contact)),
        account: present(fields.take_group(Group::Account)),
        deal: present(fields.take_group(Group::Deal)),
        data: present(fields.take_group(Group::Data)),
    })
}

fn present(attributes: Attributes) -> Attributes {
    Attributes(
        attributes.0.into_iter().filter(|(name, value)| !name.is_empty() && !value.is_null()).collect(),
    )
}

/// A word that we do not know is `unknown`, with the word kept as `event.classified_as`: a reply stops the cadence
/// whatever it means.
fn classification(fields: &mut Fields) -> Result<Option<Classification>, Untranslatable> {
    let Some(given) = text(fields, Target::Classification)? else { return Ok(None) };
    let known = Classification::parse(&convert::snake(&given));
    if known.is_none() {
        fields.put(Group::Data, "classified_as", given);
    }
    Ok(Some(known.unwrap_or(Classification::Unknown)))
}

/// None is all channels. An opt-out of a channel that we do not know is one of all: rather too much than too little.
fn channel(fields: &Fields, kind: EventKind) -> Result<Option<Channel>, Untranslatable> {
    let Some(given) = text(fields, Target::Channel)? else { return Ok(None) };
    let given = convert::snake(&given);
    if given == "all" {
        return Ok(None);
    }
    let channel = match given.as_str() {
        "phone" => Some(Channel::Call),
        name => Channel::parse(name),
    };
    if channel.is_none() && kind.stop_class() == StopClass::Ordinary {
        let names: Vec<&str> = Channel::ALL.iter().map(|channel| channel.as_str()).collect();
        return Err(wrong(Target::Channel, &format!("one of {} or all", names.join(", "))));
    }
    Ok(channel)
}

fn record(fields: &Fields) -> Result<Option<RecordRef>, Untranslatable> {
    let expected = "an object of type and id, or type:id";
    let Some(value) = fields.get(Target::Record) else { return Ok(None) };
    let (kind, id) = match value {
        Value::Object(members) => {
            let part = |name: &str| members.get(name).and_then(convert::text);
            part("type").zip(part("id")).ok_or_else(|| wrong(Target::Record, expected))?
        }
        Value::String(text) => {
            let (kind, id) = text.trim().split_once(':').ok_or_else(|| wrong(Target::Record, expected))?;
            (kind.to_owned(), id.to_owned())
        }
        _ => return Err(wrong(Target::Record, expected)),
    };
    Ok(Some(RecordRef { kind: convert::snake(&kind), id }))
}

/// What a kind cannot do without.
fn check_complete(kind: EventKind, subject: &SubjectKeys, detail: &Detail) -> Result<(), Untranslatable> {
    let missing = match kind {
        EventKind::Custom if detail.name.is_none() => Some((Target::Name, "the name of the custom event")),
        EventKind::OwnerChanged if detail.owner.is_none() => Some((Target::Owner, "the new owner")),
        EventKind::ScoreChanged if detail.score.is_none() => Some((Target::Score, "the new score")),
        EventKind::TaskCompleted | EventKind::TaskDeleted if detail.task.is_none() => {
            Some((Target::Task, "the task's key, or its id in the CRM"))
        }
        EventKind::Bounced if detail.bounce.is_none() => Some((Target::Bounce, "hard or soft")),
        EventKind::ContactMerged if subject.crm_ids.len() < 2 => {
            Some((Target::CrmId, "the surviving id and then the ids merged into it"))
        }
        _ => None,
    };
    missing.map_or(Ok(()), |(target, expected)| Err(wrong(target, expected)))
}
