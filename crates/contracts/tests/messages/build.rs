//! Values of every shape that the domain allows.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::{DeadLetter, Delivery, Quarantined, Redelivery, Verdict};
use domain::attributes::Attributes;
use domain::cadence;
use domain::decision::{Cause, Decision, DecisionRecord, Outcome, Refusal, RefusalRule};
use domain::enrollment::{
    EnrollmentState, EntryEvent, Frozen, Hold, HoldReason, Place, Progress, Seen, StepRecord, StepResult,
};
use domain::event::{Bounce, Classification, Detail, Event, EventKind, RecordRef, TaskRef};
use domain::id::{
    CadenceName, ContactId, Digest, EnrollmentId, EnrollmentUid, EventId, OwnerName, SourceName, StepId,
    TouchId, TouchKey, VariantName, Workspace,
};
use domain::identity::{AccountKeys, CrmId, Domain, Email, Phone, SubjectKeys};
use domain::time::Taken;
use domain::touch::{Channel, Note};
use jiff::Timestamp;
use jiff::civil::Date;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use uuid::Uuid;

fn moment() -> impl Strategy<Value = Timestamp> {
    // From year 1 to 9999, and around 1970 where the sign of the nanoseconds turns.
    let seconds = prop_oneof![-62_135_596_800_i64..253_402_207_200, -3_i64..3];
    (seconds, 0_i32..1_000_000_000).prop_map(|(seconds, nanos)| Timestamp::new(seconds, nanos).unwrap())
}

macro_rules! plain {
    ($function:ident, $type:ident) => {
        fn $function() -> impl Strategy<Value = $type> {
            "[a-zA-Z0-9][a-zA-Z0-9._-]{0,40}".prop_map(|name| $type::new(name).unwrap())
        }
    };
}
plain!(workspace, Workspace);
plain!(source, SourceName);
plain!(cadence_name, CadenceName);
plain!(step, StepId);
plain!(arm, VariantName);

fn event_id() -> impl Strategy<Value = EventId> {
    "[!-~ ]{0,60}[a-zé✓]".prop_map(|id| EventId::new(id).unwrap())
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 16]>().prop_map(Digest)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<[u8; 16]>().prop_map(Uuid::from_bytes)
}

fn uid() -> impl Strategy<Value = EnrollmentUid> {
    uuid().prop_map(EnrollmentUid)
}

fn touch_key() -> impl Strategy<Value = TouchKey> {
    uuid().prop_map(TouchKey)
}

fn words() -> impl Strategy<Value = String> {
    any::<String>()
}

fn note() -> impl Strategy<Value = Note> {
    ("[a-z_]{1,20}", words()).prop_map(|(code, text)| Note::new(code, text))
}

pub(crate) fn json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no other numbers", |number| number.is_finite())
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    btree_map(any::<String>(), json(), 0..5).prop_map(Attributes)
}

fn subject() -> impl Strategy<Value = SubjectKeys> {
    let email = "[a-z0-9.+_]{0,20}[a-zü]@[a-z]{2,10}\\.(example|xn--bcher-kva\\.com)"
        .prop_map(|text| Email::parse(&text).unwrap());
    let phone = (200_u32..1000, 0_u32..10_000)
        .prop_map(|(exchange, line)| Phone::parse(&format!("+1415{exchange}{line:04}")).unwrap());
    let crm = "[a-z]{0,8}:?[A-Za-z0-9]{1,18}".prop_map(|id| CrmId::new(&id).unwrap());
    (of(email), of(phone), vec(crm, 0..3)).prop_map(|(email, phone, crm_ids)| SubjectKeys {
        email,
        phone,
        crm_ids,
    })
}

fn account() -> impl Strategy<Value = AccountKeys> {
    let domain = "[a-z]{2,10}\\.(example|co\\.uk)".prop_map(|text| Domain::parse(&text).unwrap());
    (of(words()), of(domain)).prop_map(|(id, domain)| AccountKeys { id, domain })
}

fn detail() -> impl Strategy<Value = Detail> {
    let task = prop_oneof![touch_key().prop_map(TaskRef::Key), words().prop_map(TaskRef::Remote)];
    let record = (words(), words()).prop_map(|(kind, id)| RecordRef { kind, id });
    let owner = "[a-z@. ]{0,30}[a-z]".prop_map(|name| OwnerName::new(name).unwrap());
    let named = (of(owner), of(task), of(record), of(words()), of(select(Channel::ALL.to_vec())));
    let meant = (
        of(select(Classification::ALL.to_vec())),
        of(moment()),
        of(words()),
        of(select(vec![Bounce::Hard, Bounce::Soft])),
        of(any::<f64>().prop_filter("not equal to itself", |score| !score.is_nan())),
        any::<bool>(),
        of(words()),
    );
    let facts = (attributes(), attributes(), attributes(), attributes());
    (named, meant, facts).prop_map(|(named, meant, facts)| {
        let (owner, task, record, name, channel) = named;
        let (classification, until, outcome, bounce, score, machine, reason) = meant;
        let (contact, account, deal, data) = facts;
        Detail {
            owner,
            task,
            record,
            name,
            channel,
            classification,
            until,
            outcome,
            bounce,
            score,
            machine,
            reason,
            contact,
            account,
            deal,
            data,
        }
    })
}

pub(crate) fn event_of(kind: EventKind) -> impl Strategy<Value = Event> {
    let head = (event_id(), digest(), workspace(), source(), moment(), moment());
    let detail = prop_oneof![1 => Just(Detail::default()), 4 => detail()];
    (head, subject(), account(), detail, of(words())).prop_map(
        move |(head, subject, account, detail, actor)| {
            let (id, digest, workspace, source, occurred_at, received_at) = head;
            Event {
                id,
                digest,
                workspace,
                source,
                kind,
                occurred_at,
                received_at,
                subject,
                account,
                detail,
                actor,
            }
        },
    )
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    select(EventKind::ALL.to_vec()).prop_flat_map(event_of)
}

fn headers() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("[a-z-]{1,20}", words(), 0..4)
}

fn bytes() -> impl Strategy<Value = bytes::Bytes> {
    vec(any::<u8>(), 0..200).prop_map(bytes::Bytes::from)
}

pub(crate) fn quarantined() -> impl Strategy<Value = Quarantined> {
    let head = (digest(), event_id(), workspace(), source(), words(), moment());
    (head, note(), bytes(), words(), headers(), of(any::<u32>())).prop_map(
        |(head, reason, body, content_type, headers, item)| {
            let (digest, id, workspace, source, provider, received_at) = head;
            Quarantined {
                digest,
                id,
                workspace,
                source,
                provider,
                received_at,
                reason,
                body,
                content_type,
                headers,
                item,
            }
        },
    )
}

pub(crate) fn redelivery() -> impl Strategy<Value = Redelivery> {
    (quarantined(), moment(), of(words())).prop_map(|(quarantined, requested_at, actor)| Redelivery {
        quarantined,
        requested_at,
        actor,
    })
}

pub(crate) fn dead_letter() -> impl Strategy<Value = DeadLetter> {
    let record = (bytes(), vec(any::<u8>(), 0..40), headers());
    let place = ("[a-z]{1,12}", any::<i32>(), any::<i64>());
    (of(workspace()), record, note(), any::<u32>(), moment(), place).prop_map(
        |(workspace, (payload, key, headers), error, attempts, failed_at, (topic, partition, offset))| {
            DeadLetter {
                workspace,
                payload,
                key,
                headers,
                error,
                attempts,
                failed_at,
                topic,
                partition,
                offset,
            }
        },
    )
}

pub(crate) fn delivery() -> impl Strategy<Value = Delivery> {
    let counts = (any::<u16>(), any::<u32>(), any::<u32>(), any::<u64>(), any::<u32>(), any::<u32>());
    (workspace(), source(), moment(), select(Verdict::ALL.to_vec()), of(note()), counts).prop_map(
        |(
            workspace,
            source,
            at,
            verdict,
            reason,
            (status, accepted, quarantined, size, micros, sampled_of),
        )| Delivery {
            workspace,
            source,
            at,
            verdict,
            status,
            reason,
            accepted,
            quarantined,
            size,
            took: Duration::from_micros(micros.into()),
            sampled_of,
        },
    )
}

pub(crate) fn decision() -> impl Strategy<Value = Decision> {
    let refusal = (select(RefusalRule::ALL.to_vec()), words(), json());
    prop_oneof![
        note().prop_map(|why| Decision::Ignored { why }),
        note().prop_map(|what| Decision::Noted { what }),
        (cadence_name(), any::<u32>(), uid()).prop_map(|(cadence, version, enrollment)| Decision::Enrolled {
            cadence,
            version,
            enrollment
        }),
        (cadence_name(), refusal).prop_map(|(cadence, (rule, expected, seen))| Decision::Refused {
            cadence,
            refusal: Refusal { rule, expected: expected.into(), seen: seen.into() },
        }),
        (
            uid(),
            cadence_name(),
            select(EnrollmentState::ALL.to_vec()),
            words(),
            select(cadence::Outcome::ALL.to_vec())
        )
            .prop_map(|(enrollment, cadence, state, rule, outcome)| Decision::Ended {
                enrollment,
                cadence,
                state,
                rule,
                outcome,
            }),
        (uid(), words(), of(moment())).prop_map(|(enrollment, by, until)| Decision::Paused {
            enrollment,
            by,
            until
        }),
        (uid(), words()).prop_map(|(enrollment, by)| Decision::Resumed { enrollment, by }),
        (uid(), of(step()), of(step()), note()).prop_map(|(enrollment, from, to, why)| Decision::Advanced {
            enrollment,
            from,
            to,
            why
        }),
        (touch_key(), step(), moment(), vec(note(), 0..3))
            .prop_map(|(key, step, due_at, shifts)| Decision::Scheduled { key, step, due_at, shifts }),
        (touch_key(), step(), note()).prop_map(|(key, step, what)| Decision::Touched { key, step, what }),
    ]
}

pub(crate) fn decision_record() -> impl Strategy<Value = DecisionRecord> {
    let cause = prop_oneof![
        (digest(), event_id(), source(), select(EventKind::ALL.to_vec()), moment()).prop_map(
            |(digest, id, source, kind, occurred_at)| Cause::Event { digest, id, source, kind, occurred_at }
        ),
        any::<i64>().prop_map(|row| Cause::Timer { enrollment: EnrollmentId(row) }),
        any::<i64>().prop_map(|row| Cause::Touch { touch: TouchId(row) }),
    ];
    (workspace(), cause, of(any::<i64>()), moment(), vec(decision(), 0..6)).prop_map(
        |(workspace, cause, contact, at, items)| DecisionRecord {
            workspace,
            cause,
            contact: contact.map(ContactId),
            at,
            items,
        },
    )
}

pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    (workspace(), words(), moment(), decision(), of(any::<i64>()), of(uid()), of(event_id()), of(words()))
        .prop_map(|(workspace, key, at, what, contact, enrollment, event, trace)| Outcome {
            workspace,
            key,
            at,
            what,
            contact: contact.map(ContactId),
            enrollment,
            event,
            trace,
        })
}

pub(crate) fn entry_event() -> impl Strategy<Value = EntryEvent> {
    let named = (digest(), select(EventKind::ALL.to_vec()), source(), moment());
    let meant = (of(select(Channel::ALL.to_vec())), of(select(Classification::ALL.to_vec())));
    (named, meant, attributes(), of(words())).prop_map(
        |((digest, kind, source, occurred_at), (channel, classification), data, actor)| EntryEvent {
            digest,
            kind,
            source,
            occurred_at,
            channel,
            classification,
            data,
            actor,
        },
    )
}

fn date() -> impl Strategy<Value = Date> {
    moment().prop_map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        (step(), any::<i64>(), any::<u32>()).prop_map(|(step, touch, day)| Place::Touch {
            step,
            touch: TouchId(touch),
            day
        }),
        (step(), moment(), moment()).prop_map(|(step, since, until)| Place::Wait { step, since, until }),
        moment().prop_map(|until| Place::Ending { until }),
        Just(Place::Over),
    ]
}

fn step_record() -> impl Strategy<Value = StepRecord> {
    let visit = (step(), any::<u32>(), select(StepResult::ALL.to_vec()), moment());
    let touch = (of(touch_key()), of(any::<i64>()), of(select(Channel::ALL.to_vec())), of(moment()));
    let came = (of(words()), of(words()), any::<[bool; 3]>());
    let took = vec((date(), any::<u32>()).prop_map(|(date, day)| Taken { date, day }), 0..3);
    (visit, touch, came, took).prop_map(|(visit, touch, (outcome, message_id, seen), took)| {
        let mut record = StepRecord::new(visit.0, visit.1, visit.2, visit.3);
        (record.key, record.touch) = (touch.0, touch.1.map(TouchId));
        (record.channel, record.sent_at) = (touch.2, touch.3);
        (record.outcome, record.message_id, record.took) = (outcome, message_id, took);
        [record.opened, record.clicked, record.replied] = seen;
        record
    })
}

pub(crate) fn progress() -> impl Strategy<Value = Progress> {
    let steps = (btree_map(step(), any::<u32>(), 0..4), btree_map(step(), arm(), 0..3));
    let hold = (select(HoldReason::ALL.to_vec()), moment(), of(moment()))
        .prop_map(|(reason, since, until)| Hold { reason, since, until });
    let frozen = (moment(), of(any::<i64>()), any::<bool>()).prop_map(|(since, remaining, came)| Frozen {
        since,
        remaining,
        came,
    });
    let seen = (step(), moment(), of(any::<i64>())).prop_map(|(wait, at, about)| Seen {
        wait,
        at,
        about: about.map(TouchId),
    });
    let lists = (vec(step_record(), 0..4), vec(hold, 0..3), of(frozen), vec(seen, 0..3));
    (date(), moment(), place(), steps, lists, any::<[bool; 4]>()).prop_map(
        |(day_one, previous, place, (visits, variants), (history, holds, frozen, seen), came)| {
            let mut progress = Progress::new(day_one, previous);
            (progress.place, progress.visits, progress.variants) = (place, visits, variants);
            (progress.history, progress.holds) = (history, holds);
            (progress.frozen, progress.seen) = (frozen, seen);
            [progress.opened, progress.clicked, progress.replied, progress.connected] = came;
            progress
        },
    )
}
