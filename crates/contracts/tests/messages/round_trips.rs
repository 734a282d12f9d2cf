use std::fmt::Debug;

use contracts::Wire;
use domain::event::EventKind;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::build;

fn there_and_back<M: Wire + PartialEq + Debug>(message: &M) -> Result<(), TestCaseError> {
    let bytes = message.to_bytes();
    let back = M::from_bytes(&bytes);
    prop_assert_eq!(back.as_ref(), Ok(message));
    prop_assert_eq!(message.to_bytes(), bytes, "the same value has the same bytes");
    Ok(())
}

#[test]
fn an_event_of_every_kind_comes_back_whole() {
    let mut runner = TestRunner::deterministic();
    for kind in EventKind::ALL {
        for _ in 0..8 {
            let event = build::event_of(*kind).new_tree(&mut runner).unwrap().current();
            there_and_back(&event).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn an_event_comes_back_whole(event in build::event()) {
        there_and_back(&event)?;
    }

    #[test]
    fn a_quarantined_delivery_comes_back_whole(quarantined in build::quarantined()) {
        there_and_back(&quarantined)?;
    }

    #[test]
    fn a_redelivery_comes_back_whole(redelivery in build::redelivery()) {
        there_and_back(&redelivery)?;
    }

    #[test]
    fn a_dead_letter_comes_back_whole(letter in build::dead_letter()) {
        there_and_back(&letter)?;
    }

    #[test]
    fn a_delivery_comes_back_whole(delivery in build::delivery()) {
        there_and_back(&delivery)?;
    }

    #[test]
    fn a_decision_record_comes_back_whole(record in build::decision_record()) {
        there_and_back(&record)?;
    }

    #[test]
    fn an_outcome_comes_back_whole(outcome in build::outcome()) {
        there_and_back(&outcome)?;
    }

    #[test]
    fn the_event_of_an_entry_comes_back_whole(entry in build::entry_event()) {
        there_and_back(&entry)?;
    }

    #[test]
    fn how_far_an_enrollment_is_comes_back_whole(progress in build::progress()) {
        there_and_back(&progress)?;
    }
}
