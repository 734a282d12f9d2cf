//! Bytes that are wrong name the field that is.

use contracts::wire::{self, task_reference::Reference, value::Value};
use contracts::{DecodeError, Redelivery, Wire};
use domain::event::{Event, EventKind};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use prost::Message;

use crate::build;

/// A sound event, spoilt by `spoil`.
fn spoilt(spoil: impl FnOnce(&mut wire::Event)) -> Result<Event, DecodeError> {
    let event =
        build::event_of(EventKind::Replied).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let mut wire = wire::Event::decode(event.to_bytes()).unwrap();
    wire.detail.get_or_insert_default();
    wire.subject.get_or_insert_default();
    spoil(&mut wire);
    Event::from_bytes(&wire.encode_to_vec())
}

fn field_of<T: std::fmt::Debug>(result: Result<T, DecodeError>) -> String {
    match result.unwrap_err() {
        DecodeError::Field { field, .. } => field,
        malformed @ DecodeError::Malformed { .. } => panic!("{malformed}"),
    }
}

#[test]
fn an_unspoilt_event_is_read() {
    spoilt(|_| ()).unwrap();
}

#[test]
fn a_missing_field_is_named() {
    assert_eq!(field_of(spoilt(|event| event.id.clear())), "id");
    assert_eq!(field_of(spoilt(|event| event.workspace.clear())), "workspace");
    assert_eq!(field_of(spoilt(|event| event.kind = 0)), "kind");
    assert_eq!(field_of(spoilt(|event| event.received_at = None)), "received_at");
    assert_eq!(field_of(Event::from_bytes(&[])), "id");
}

#[test]
fn a_number_of_a_later_version_is_refused_and_named() {
    assert_eq!(field_of(spoilt(|event| event.kind = 9999)), "kind");
    assert_eq!(field_of(spoilt(|event| event.detail.as_mut().unwrap().channel = 99)), "detail.channel");
    assert_eq!(
        field_of(spoilt(|event| event.detail.as_mut().unwrap().classification = -1)),
        "detail.classification"
    );
    assert_eq!(field_of(spoilt(|event| event.detail.as_mut().unwrap().bounce = 3)), "detail.bounce");
}

#[test]
fn a_value_that_its_field_may_not_hold_is_named_but_not_repeated() {
    let email = spoilt(|event| event.subject.as_mut().unwrap().email = Some("ada at example.com".to_owned()));
    let problem = email.unwrap_err().to_string();
    assert!(problem.starts_with("subject.email: ") && !problem.contains("ada"), "{problem}");

    assert_eq!(field_of(spoilt(|event| event.digest = vec![1, 2, 3])), "digest");
    assert_eq!(
        field_of(spoilt(|event| {
            let key = Some(Reference::Key(vec![0; 15]));
            event.detail.as_mut().unwrap().task = Some(wire::TaskReference { reference: key });
        })),
        "detail.task.key"
    );
    assert_eq!(
        field_of(spoilt(|event| {
            let json = wire::Value { value: Some(Value::Json("{".to_owned())) };
            event.detail.as_mut().unwrap().data.insert("x".to_owned(), json);
        })),
        "detail.data"
    );
}

#[test]
fn the_path_leads_through_the_message_inside() {
    let redelivery = build::redelivery().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let mut wire = wire::Redelivery::decode(redelivery.to_bytes()).unwrap();
    wire.quarantined.as_mut().unwrap().source = "not a name".to_owned();

    assert_eq!(field_of(Redelivery::from_bytes(&wire.encode_to_vec())), "quarantined.source");
}

#[test]
fn fields_that_a_later_version_added_are_passed_over() {
    let event = build::event().new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let mut bytes = event.to_bytes().to_vec();
    // Field 500, a string.
    prost::encoding::string::encode(500, &"later".to_owned(), &mut bytes);

    assert_eq!(Event::from_bytes(&bytes), Ok(event));
}

proptest! {
    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Event::from_bytes(&bytes);
        let _ = Redelivery::from_bytes(&bytes);
    }

    #[test]
    fn no_cut_or_flipped_event_makes_it_panic(event in build::event(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut bytes = event.to_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let _ = Event::from_bytes(&bytes);
        let _ = Event::from_bytes(&bytes[..at]);
    }
}
