//! Keys and headers in the log.

use contracts::{Published, Wire, event_message, headers};
use domain::event::{Event, EventKind};
use domain::id::{Digest, EventId, SourceName, Workspace};
use domain::identity::{AccountKeys, CrmId, Domain, Email, Phone, SubjectKeys};
use proptest::prelude::*;

use crate::build;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn event(subject: SubjectKeys, account: AccountKeys) -> Event {
    Event {
        id: EventId::new("ada@example.com/17").unwrap(),
        digest: Digest([7; 16]),
        workspace: Workspace::main(),
        source: SourceName::new("website-forms").unwrap(),
        kind: EventKind::FormSubmitted,
        occurred_at: "2026-03-06T14:00:00Z".parse().unwrap(),
        received_at: "2026-03-06T14:00:01Z".parse().unwrap(),
        subject,
        account,
        detail: domain::event::Detail::default(),
        actor: None,
    }
}

fn whole() -> (SubjectKeys, AccountKeys) {
    let subject = SubjectKeys {
        email: Some(Email::parse("ada@example.com").unwrap()),
        phone: Some(Phone::parse("+14155552671").unwrap()),
        crm_ids: vec![CrmId::new("hubspot:101").unwrap()],
    };
    let account =
        AccountKeys { id: Some("77".to_owned()), domain: Some(Domain::parse("example.com").unwrap()) };
    (subject, account)
}

#[test]
fn an_event_has_the_attributes_of_cloudevents_and_the_trace() {
    let (subject, account) = whole();

    let headers = headers(&event(subject, account), Some(TRACE));

    let expected = [
        ("ce_id", "07070707070707070707070707070707"),
        ("ce_source", "/main/website-forms"),
        ("ce_specversion", "1.0"),
        ("ce_time", "2026-03-06T14:00:00Z"),
        ("ce_type", "drumbeat.form_submitted.v1"),
        ("content-type", "application/protobuf"),
        ("traceparent", TRACE),
    ];
    assert_eq!(
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn a_trace_that_is_none_stays_out() {
    let message =
        event_message(&event(SubjectKeys::default(), AccountKeys::default()), Some("ada@example.com"));

    assert!(!message.headers.contains_key("traceparent"));
}

#[test]
fn the_key_follows_email_then_crm_id_then_phone_then_account() {
    let (mut subject, mut account) = whole();
    let key = |subject: &SubjectKeys, account: &AccountKeys| event(subject.clone(), account.clone()).key();
    let only = |change: &dyn Fn(&mut SubjectKeys, &mut AccountKeys)| {
        let (mut subject, mut account) = (SubjectKeys::default(), AccountKeys::default());
        change(&mut subject, &mut account);
        key(&subject, &account)
    };
    let (full_subject, full_account) = whole();

    assert_eq!(key(&subject, &account), only(&|s, _| s.email.clone_from(&full_subject.email)));
    subject.email = None;
    assert_eq!(key(&subject, &account), only(&|s, _| s.crm_ids.clone_from(&full_subject.crm_ids)));
    subject.crm_ids.clear();
    assert_eq!(key(&subject, &account), only(&|s, _| s.phone.clone_from(&full_subject.phone)));
    subject.phone = None;
    assert_eq!(key(&subject, &account), only(&|_, a| a.id.clone_from(&full_account.id)));
    account.id = None;
    assert_eq!(key(&subject, &account), only(&|_, a| a.domain.clone_from(&full_account.domain)));
    account.domain = None;
    assert_eq!(key(&subject, &account), b"main:07070707070707070707070707070707");
}

#[test]
fn one_address_in_two_workspaces_has_two_keys() {
    let (subject, account) = whole();
    let here = event(subject, account);
    let there = Event { workspace: Workspace::new("emea").unwrap(), ..here.clone() };

    assert_ne!(here.key(), there.key());
}

proptest! {
    #[test]
    fn neither_key_nor_headers_hold_who_it_is(event in build::event()) {
        let message = event_message(&event, Some(TRACE));

        let mut seen = String::from_utf8(message.key.clone()).unwrap();
        for (name, value) in &message.headers {
            seen.push_str(name);
            seen.push_str(value);
        }
        prop_assert!(!seen.contains('@'), "{}", seen);
        if let Some(phone) = &event.subject.phone {
            prop_assert!(!seen.contains(phone.as_str()));
        }
        for id in event.subject.crm_ids.iter().filter(|id| id.as_str().len() > 12) {
            prop_assert!(!seen.contains(id.as_str()));
        }
    }

    #[test]
    fn a_message_is_the_same_however_often_it_is_made(outcome in build::outcome(), letter in build::dead_letter()) {
        prop_assert_eq!(outcome.message(None), outcome.message(None));
        prop_assert_eq!(letter.message(None).headers, letter.message(None).headers);
        prop_assert_eq!(outcome.message(Some(TRACE)).payload, outcome.to_bytes());
    }
}
