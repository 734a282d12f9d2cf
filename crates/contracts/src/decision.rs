//! What was decided.

use std::sync::Arc;

use bytes::Bytes;
use domain::cadence::Outcome;
use domain::decision::{Cause, Decision, DecisionRecord, Refusal, RefusalRule};
use domain::enrollment::EnrollmentState;
use domain::id::{
    CadenceName, ContactId, Digest, EnrollmentId, EnrollmentUid, EventId, SourceName, StepId, TouchId,
    TouchKey, Workspace,
};
use uuid::Uuid;

use crate::error::{DecodeError, read, read_16, read_enum, read_word, require};
use crate::message::{Wire, decode, encode};
use crate::wire::{cause, decision, decision::Did};
use crate::{enums, note, timestamp, value, wire};

impl Wire for DecisionRecord {
    fn to_bytes(&self) -> Bytes {
        encode(&wire::DecisionRecord {
            workspace: self.workspace.as_str().to_owned(),
            cause: Some(wire::Cause { cause: Some(cause_to_wire(&self.cause)) }),
            contact: self.contact.map(|contact| contact.0),
            at: Some(timestamp::to_wire(self.at)),
            items: items_to_wire(&self.items),
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let record: wire::DecisionRecord = decode(bytes)?;
        let cause = require("cause", record.cause.and_then(|cause| cause.cause))?;
        let items = items_from_wire(record.items);
        Ok(Self {
            workspace: read("workspace", Workspace::try_from(record.workspace))?,
            cause: cause_from_wire(cause)?,
            contact: record.contact.map(ContactId),
            at: timestamp::from_wire("at", record.at)?,
            items: items.map_err(|problem: DecodeError| problem.within("items"))?,
        })
    }
}

/// Most candidates of an event refuse it alike: what the first one saw is written once.
fn items_to_wire(items: &[Decision]) -> Vec<wire::Decision> {
    let mut written = Vec::with_capacity(items.len());
    let mut before: Option<&Refusal> = None;
    for item in items {
        let Decision::Refused { cadence, refusal } = item else {
            before = None;
            written.push(to_wire(item));
            continue;
        };
        let is_alike = before.is_some_and(|before| {
            before.rule == refusal.rule
                && (Arc::ptr_eq(&before.seen, &refusal.seen) || before.seen == refusal.seen)
        });
        before = Some(refusal);
        if !is_alike {
            written.push(to_wire(item));
            continue;
        }
        let did = Did::Refused(decision::Refused {
            cadence: cadence.as_str().to_owned(),
            expected: refusal.expected.as_ref().to_owned(),
            alike: true,
            ..decision::Refused::default()
        });
        written.push(wire::Decision { did: Some(did) });
    }
    written
}

fn items_from_wire(items: Vec<wire::Decision>) -> Result<Vec<Decision>, DecodeError> {
    let mut decided: Vec<Decision> = Vec::with_capacity(items.len());
    for item in items {
        let item = match item.did {
            Some(Did::Refused(it)) if it.alike => {
                let Some(Decision::Refused { refusal, .. }) = decided.last() else {
                    return Err(DecodeError::field("refused.alike", "has no refusal before it"));
                };
                let refusal = Refusal { expected: it.expected.into(), ..refusal.clone() };
                let cadence = read("refused.cadence", CadenceName::try_from(it.cadence))?;
                Decision::Refused { cadence, refusal }
            }
            did => from_wire(wire::Decision { did })?,
        };
        decided.push(item);
    }
    Ok(decided)
}

fn cause_to_wire(cause: &Cause) -> cause::Cause {
    match cause {
        Cause::Event { digest, id, source, kind, occurred_at } => cause::Cause::Event(cause::Event {
            digest: digest.0.to_vec(),
            id: id.as_str().to_owned(),
            source: source.as_str().to_owned(),
            kind: enums::kind_to_wire(*kind).into(),
            occurred_at: Some(timestamp::to_wire(*occurred_at)),
        }),
        Cause::Timer { enrollment } => cause::Cause::Timer(cause::Timer { enrollment: enrollment.0 }),
        Cause::Touch { touch } => cause::Cause::Touch(cause::Touch { touch: touch.0 }),
    }
}

fn cause_from_wire(cause: cause::Cause) -> Result<Cause, DecodeError> {
    Ok(match cause {
        cause::Cause::Event(event) => Cause::Event {
            digest: Digest(read_16("cause.event.digest", &event.digest)?),
            id: read("cause.event.id", EventId::try_from(event.id))?,
            source: read("cause.event.source", SourceName::try_from(event.source))?,
            kind: require(
                "cause.event.kind",
                read_enum("cause.event.kind", event.kind, enums::kind_from_wire)?,
            )?,
            occurred_at: timestamp::from_wire("cause.event.occurred_at", event.occurred_at)?,
        },
        cause::Cause::Timer(timer) => Cause::Timer { enrollment: EnrollmentId(timer.enrollment) },
        cause::Cause::Touch(touch) => Cause::Touch { touch: TouchId(touch.touch) },
    })
}

/// The name of what was decided, as in `ce_type`.
pub(crate) fn name(decision: &Decision) -> &'static str {
    match decision {
        Decision::Ignored { .. } => "ignored",
        Decision::Noted { .. } => "noted",
        Decision::Enrolled { .. } => "enrolled",
        Decision::Refused { .. } => "refused",
        Decision::Ended { .. } => "ended",
        Decision::Paused { .. } => "paused",
        Decision::Resumed { .. } => "resumed",
        Decision::Advanced { .. } => "advanced",
        Decision::Scheduled { .. } => "scheduled",
        Decision::Touched { .. } => "touched",
    }
}

pub(crate) fn to_wire(decided: &Decision) -> wire::Decision {
    let did = match decided {
        Decision::Ignored { why } => Did::Ignored(decision::Ignored { why: Some(note::to_wire(why)) }),
        Decision::Noted { what } => Did::Noted(decision::Noted { what: Some(note::to_wire(what)) }),
        Decision::Enrolled { cadence, version, enrollment } => Did::Enrolled(decision::Enrolled {
            cadence: cadence.as_str().to_owned(),
            version: *version,
            enrollment: uid_to_wire(*enrollment),
        }),
        Decision::Refused { cadence, refusal } => Did::Refused(decision::Refused {
            cadence: cadence.as_str().to_owned(),
            rule: refusal.rule.as_str().to_owned(),
            expected: refusal.expected.as_ref().to_owned(),
            seen: Some(value::to_wire(&refusal.seen)),
            alike: false,
        }),
        Decision::Ended { enrollment, cadence, state, rule, outcome } => Did::Ended(decision::Ended {
            enrollment: uid_to_wire(*enrollment),
            cadence: cadence.as_str().to_owned(),
            state: state.as_str().to_owned(),
            rule: rule.clone(),
            outcome: outcome.as_str().to_owned(),
        }),
        Decision::Paused { enrollment, by, until } => Did::Paused(decision::Paused {
            enrollment: uid_to_wire(*enrollment),
            by: by.clone(),
            until: until.map(timestamp::to_wire),
        }),
        Decision::Resumed { enrollment, by } => {
            Did::Resumed(decision::Resumed { enrollment: uid_to_wire(*enrollment), by: by.clone() })
        }
        Decision::Advanced { enrollment, from, to, why } => Did::Advanced(decision::Advanced {
            enrollment: uid_to_wire(*enrollment),
            from: from.as_ref().map(|step| step.as_str().to_owned()),
            to: to.as_ref().map(|step| step.as_str().to_owned()),
            why: Some(note::to_wire(why)),
        }),
        Decision::Scheduled { key, step, due_at, shifts } => Did::Scheduled(decision::Scheduled {
            key: key.0.as_bytes().to_vec(),
            step: step.as_str().to_owned(),
            due_at: Some(timestamp::to_wire(*due_at)),
            shifts: shifts.iter().map(note::to_wire).collect(),
        }),
        Decision::Touched { key, step, what } => Did::Touched(decision::Touched {
            key: key.0.as_bytes().to_vec(),
            step: step.as_str().to_owned(),
            what: Some(note::to_wire(what)),
        }),
    };
    wire::Decision { did: Some(did) }
}

pub(crate) fn from_wire(decided: wire::Decision) -> Result<Decision, DecodeError> {
    Ok(match require("did", decided.did)? {
        Did::Ignored(it) => Decision::Ignored { why: note::from_wire("ignored.why", it.why)? },
        Did::Noted(it) => Decision::Noted { what: note::from_wire("noted.what", it.what)? },
        Did::Enrolled(it) => Decision::Enrolled {
            cadence: read("enrolled.cadence", CadenceName::try_from(it.cadence))?,
            version: it.version,
            enrollment: uid_from_wire("enrolled.enrollment", &it.enrollment)?,
        },
        Did::Refused(it) => Decision::Refused {
            cadence: read("refused.cadence", CadenceName::try_from(it.cadence))?,
            refusal: Refusal {
                rule: read_word("refused.rule", RefusalRule::parse(&it.rule))?,
                expected: it.expected.into(),
                seen: value::from_wire("refused.seen", it.seen.unwrap_or_default())?.into(),
            },
        },
        Did::Ended(it) => Decision::Ended {
            enrollment: uid_from_wire("ended.enrollment", &it.enrollment)?,
            cadence: read("ended.cadence", CadenceName::try_from(it.cadence))?,
            state: read_word("ended.state", EnrollmentState::parse(&it.state))?,
            rule: it.rule,
            outcome: read_word("ended.outcome", Outcome::parse(&it.outcome))?,
        },
        Did::Paused(it) => Decision::Paused {
            enrollment: uid_from_wire("paused.enrollment", &it.enrollment)?,
            by: it.by,
            until: timestamp::from_wire_optional("paused.until", it.until)?,
        },
        Did::Resumed(it) => {
            Decision::Resumed { enrollment: uid_from_wire("resumed.enrollment", &it.enrollment)?, by: it.by }
        }
        Did::Advanced(it) => Decision::Advanced {
            enrollment: uid_from_wire("advanced.enrollment", &it.enrollment)?,
            from: read("advanced.from", it.from.map(StepId::try_from).transpose())?,
            to: read("advanced.to", it.to.map(StepId::try_from).transpose())?,
            why: note::from_wire("advanced.why", it.why)?,
        },
        Did::Scheduled(it) => Decision::Scheduled {
            key: key_from_wire("scheduled.key", &it.key)?,
            step: read("scheduled.step", StepId::try_from(it.step))?,
            due_at: timestamp::from_wire("scheduled.due_at", it.due_at)?,
            shifts: it
                .shifts
                .into_iter()
                .map(|shift| note::from_wire("scheduled.shifts", Some(shift)))
                .collect::<Result<_, _>>()?,
        },
        Did::Touched(it) => Decision::Touched {
            key: key_from_wire("touched.key", &it.key)?,
            step: read("touched.step", StepId::try_from(it.step))?,
            what: note::from_wire("touched.what", it.what)?,
        },
    })
}

fn uid_to_wire(uid: EnrollmentUid) -> Vec<u8> {
    uid.0.as_bytes().to_vec()
}

fn uid_from_wire(field: &'static str, bytes: &[u8]) -> Result<EnrollmentUid, DecodeError> {
    Ok(EnrollmentUid(Uuid::from_bytes(read_16(field, bytes)?)))
}

fn key_from_wire(field: &'static str, bytes: &[u8]) -> Result<TouchKey, DecodeError> {
    Ok(TouchKey(Uuid::from_bytes(read_16(field, bytes)?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(cadence: &str, expected: &str, seen: serde_json::Value) -> Decision {
        let refusal = Refusal { rule: RefusalRule::Trigger, expected: expected.into(), seen: seen.into() };
        Decision::Refused { cadence: CadenceName::new(cadence).unwrap(), refusal }
    }

    #[test]
    fn what_several_refusals_saw_is_written_once_and_read_by_all() {
        let saw = || json!({"event.form": "form-07"});
        let noted = Decision::Noted { what: domain::touch::Note::new("engaged", "it was") };
        let items = [
            refused("a", "x == 1", saw()),
            refused("b", "x == 2", saw()),
            refused("c", "x == 3", json!({"event.form": "other"})),
            noted,
            refused("d", "x == 4", json!({"event.form": "other"})),
        ];

        let written = items_to_wire(&items);

        let alike = |item: &wire::Decision| matches!(&item.did, Some(Did::Refused(it)) if it.alike);
        assert_eq!(written.iter().map(alike).collect::<Vec<_>>(), [false, true, false, false, false]);
        assert_eq!(items_from_wire(written.clone()).unwrap(), items);
        assert!(items_from_wire(written[1..].to_vec()).is_err(), "nothing came before it");
    }
}
