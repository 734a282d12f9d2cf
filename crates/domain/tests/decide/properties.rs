//! Rules that hold whatever happens, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::cadence::{Outcome, OverdueAction, Reentry, Target};
use domain::enrollment::EnrollmentState;
use domain::event::{Bounce, Classification, EventKind};
use domain::id::EnrollmentId;
use domain::identity::SubjectKeys;
use domain::input::{EventInput, Input};
use domain::touch::{AttemptResult, Channel, Delivery, Note, TouchState};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::play::*;
use crate::writing::*;

/// Something that may happen.
#[derive(Debug, Clone)]
enum Move {
    Send(EventKind, u8),
    Later(u32),
    Complete(u8, u8),
    /// The next touch is marked, and its request comes to this.
    Attempt(u8),
}

fn moves(length: usize) -> impl Strategy<Value = Vec<Move>> {
    let kinds = prop::sample::select(vec![
        EventKind::FormSubmitted,
        EventKind::PageVisited,
        EventKind::EmailOpened,
        EventKind::Replied,
        EventKind::Unsubscribed,
        EventKind::Resubscribed,
        EventKind::Bounced,
        EventKind::MeetingBooked,
        EventKind::ContactUpdated,
        EventKind::ContactDeleted,
        EventKind::ManualPause,
        EventKind::ManualResume,
        EventKind::ManualSkip,
        EventKind::ManualRedrive,
        EventKind::ManualRemove,
        EventKind::ManualEnroll,
    ]);
    let one = prop_oneof![
        4 => (kinds, any::<u8>()).prop_map(|(kind, how)| Move::Send(kind, how)),
        3 => (0_u32..400_000).prop_map(Move::Later),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(which, outcome)| Move::Complete(which, outcome)),
        2 => any::<u8>().prop_map(Move::Attempt),
    ];
    prop::collection::vec(one, 1..length)
}

/// A cadence with everything in it, and another that competes with it.
fn stage() -> Play {
    let steps = vec![
        call("ring").after("5m").automatic().outcome("wrong_number", to("find")),
        email("mail").day(1).overdue("1bd", OverdueAction::Skip),
        wait_for("opened", EventKind::EmailOpened, (Some("mail"), "2d"), (to("hot"), Target::Next)),
        branch("split", &[("contact.score >= 50", to("hot"))]),
        email("follow").day(4).when("!contact.customer"),
        call("hot").outcome("no_answer", to("mail")),
        email("last").day(7).automatic(),
        call("find").any_time().next(Target::End),
    ];
    let main = cadence("main", steps)
        .reentry(Reentry::Always)
        .on(EventKind::PageVisited, to("hot"))
        .end_after("5d", Outcome::Nurture);
    let other = cadence("other", vec![email("x"), call("y").after("1d").automatic()])
        .trigger(EventKind::PageVisited, "")
        .reentry(Reentry::After(span("2d")))
        .priority(60);
    Play::new(vec![main.with(|cadence| cadence.limits.gap = Some(span("1h"))), other])
}

fn sent(kind: EventKind, how: u8) -> Sent {
    let outcome = ["positive", "out_of_office", "unsubscribe", "not_now"][usize::from(how) % 4];
    event(kind).detail(|detail| match kind {
        EventKind::Replied => detail.classification = Classification::parse(outcome),
        EventKind::Unsubscribed | EventKind::Resubscribed => {
            detail.channel = [None, Some(Channel::Email), Some(Channel::Call)][usize::from(how) % 3];
        }
        EventKind::Bounced => {
            detail.bounce = Some(if how.is_multiple_of(2) { Bounce::Hard } else { Bounce::Soft });
        }
        EventKind::ManualEnroll => detail.name = Some("main".into()),
        EventKind::ContactUpdated => {
            detail.contact.set("score", i64::from(how) % 100);
            detail.contact.set("customer", how.is_multiple_of(5));
            if how.is_multiple_of(7) {
                detail.contact.set("zone", "Pacific/Auckland");
            }
        }
        _ => {}
    })
}

fn make(play: &mut Play, happens: &Move) {
    match happens {
        Move::Send(kind, how) => drop(play.send(sent(*kind, *how))),
        Move::Later(seconds) => drop(play.later(i64::from(*seconds))),
        Move::Complete(which, outcome) => {
            let open: Vec<_> = play
                .world
                .touches
                .iter()
                .filter(|(_, row)| row.state == TouchState::Open)
                .map(|(_, row)| row.clone())
                .collect();
            let Some(touch) = open.get(usize::from(*which) % open.len().max(1)) else { return };
            let outcome =
                ["done", "no_answer", "connected", "wrong_number", "not_a_fit"][usize::from(*outcome) % 5];
            play.send(event(EventKind::TaskCompleted).about(touch).outcome(outcome));
        }
        Move::Attempt(how) => attempt(play, *how),
    }
}

fn attempt(play: &mut Play, how: u8) {
    let due =
        play.world.touches.iter().find(|(_, row)| row.state == TouchState::Scheduled).map(|(id, _)| *id);
    let sending =
        play.world.touches.iter().find(|(_, row)| row.state == TouchState::Sending).map(|(id, _)| *id);
    let note = || Note::new("why", "because");
    let again = play.now.checked_add(SignedDuration::from_mins(7)).unwrap();
    let result = match how % 6 {
        0 => AttemptResult::Sent { remote_id: None, delivery: Delivery::Task },
        1 => AttemptResult::Rejected(note()),
        2 => AttemptResult::Retry { at: again, note: note() },
        3 => AttemptResult::Unknown { again_at: Some(again), note: note() },
        4 => AttemptResult::Unknown { again_at: None, note: note() },
        _ => AttemptResult::Void,
    };
    match (sending, due) {
        (Some(touch), _) => drop(play.settle(touch, result)),
        (None, Some(touch)) if how.is_multiple_of(2) => play.mark(touch),
        (None, Some(touch)) => {
            play.mark(touch);
            play.settle(touch, result);
        }
        (None, None) => {}
    }
}

/// What an ended enrollment looks like: nothing of it may change but the records of touches that were under way.
fn ended(play: &Play) -> BTreeMap<EnrollmentId, (EnrollmentState, Option<Timestamp>)> {
    play.world
        .enrollments
        .iter()
        .filter(|(_, row)| !row.state.is_live())
        .map(|(id, row)| (*id, (row.state, row.ended_at)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// `Play` checks after every fold that each live enrollment has a timer or waits for something named.
    #[test]
    fn something_wakes_every_live_enrollment_and_exit_is_final(moves in moves(40)) {
        let mut play = stage();
        for one in &moves {
            let before = ended(&play);
            let touches = play.world.touches.len();

            make(&mut play, one);

            let after = ended(&play);
            for (id, end) in &before {
                prop_assert_eq!(Some(end), after.get(id), "an end is final");
            }
            let fresh = play.world.touches.iter().skip(touches).filter(|(_, row)| before.contains_key(&row.enrollment)).count();
            prop_assert_eq!(fresh, 0, "nothing is scheduled after an end");
            for (_, row) in play.world.touches.iter().filter(|(_, row)| before.contains_key(&row.enrollment)) {
                let still_to_go = matches!(row.state, TouchState::Scheduled | TouchState::Held | TouchState::Failed);
                prop_assert!(!still_to_go, "{:?} of an ended enrollment", row.state);
            }
        }
    }

    #[test]
    fn no_touch_is_scheduled_or_goes_out_while_its_window_is_closed(moves in moves(40)) {
        let mut play = stage();
        for one in &moves {
            let log = play.log.len();
            make(&mut play, one);
            for (_, row) in play.world.touches.iter().filter(|(_, row)| row.state == TouchState::Scheduled) {
                prop_assert!(row.step.as_str() == "find" || is_office_hour(&play, row.due_at), "{} at {}", row.step, row.due_at);
            }
            if let Move::Later(_) = one {
                for (step, at) in &play.log[log..] {
                    let repeated = play.touches(step).iter().any(|row| row.attempt > 1);
                    let open = is_office_hour(&play, crate::play::at(at));
                    prop_assert!(step == "find" || repeated || open, "{step} at {at}");
                }
            }
        }
    }

    #[test]
    fn a_contact_has_one_live_enrollment_of_a_class(moves in moves(40)) {
        let mut play = stage();
        for one in &moves {
            make(&mut play, one);
            let mut seen = std::collections::BTreeSet::new();
            for (_, row) in play.world.enrollments.iter().filter(|(_, row)| row.state.is_live()) {
                prop_assert!(seen.insert((row.contact, row.class.clone())), "two live enrollments of one class");
            }
        }
    }

    #[test]
    fn keys_are_never_used_twice(moves in moves(60)) {
        let mut play = stage();
        for one in &moves {
            make(&mut play, one);
        }

        let mut keys = std::collections::BTreeSet::new();
        for (_, row) in play.world.touches.iter() {
            prop_assert!(keys.insert(row.key));
        }
    }

    #[test]
    fn the_same_inputs_make_the_same_world(moves in moves(30)) {
        let run = || {
            let mut play = stage();
            for one in &moves {
                make(&mut play, one);
            }
            (format!("{:?}", play.world.enrollments), format!("{:?}", play.world.touches), play.world.decisions)
        };

        prop_assert_eq!(run(), run());
    }

    #[test]
    fn events_in_any_order_and_repeated_end_in_the_same_suppressions(
        (events, order) in prop::collection::vec((0_usize..6, any::<u8>(), 0_i64..6), 1..8).prop_flat_map(|events| {
            // Each event once, and some of them twice.
            let order: Vec<usize> = (0..events.len()).chain(0..events.len() / 2).collect();
            (Just(events), Just(order).prop_shuffle())
        }),
    ) {
        let mut play = Play::new(vec![]);
        let inputs: Vec<EventInput> = events.iter().map(|one| statement(&mut play, *one)).collect();
        let shuffled: Vec<EventInput> = order.iter().map(|index| inputs[*index].clone()).collect();

        prop_assert_eq!(suppressions(&inputs), suppressions(&shuffled));
    }

    #[test]
    fn days_come_at_their_local_opening_across_clock_changes(
        zone in prop::sample::select(vec![
            "America/New_York", "America/Santiago", "America/St_Johns", "Europe/Berlin", "Europe/London", "Africa/Cairo",
            "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Chatham", "America/Havana", "Asia/Tokyo",
        ]),
        start in 0_i64..365 * 24 * 60,
        days in prop::collection::btree_set(2_u32..25, 1..5),
    ) {
        let steps = days.iter().map(|day| email(&format!("d{day}")).day(*day).automatic()).collect();
        let mut play = Play::new(vec![cadence("demo", steps)]);
        let entry = at("2026-01-01 00:00").checked_add(SignedDuration::from_mins(start)).unwrap();
        play.now = entry;
        play.send(form().contact("zone", zone));
        play.run_until(entry.checked_add(SignedDuration::from_hours(24 * 60)).unwrap());

        let local = TimeZone::get(zone).unwrap();
        let sent: Vec<_> = play.world.touches.iter().map(|(_, row)| local.to_datetime(row.sent_at.unwrap())).collect();
        prop_assert_eq!(sent.len(), days.len());
        for (day, at) in days.iter().zip(&sent) {
            prop_assert_eq!((at.hour(), at.minute()), (9, 0), "day {} in {}: {}", day, zone, at);
            prop_assert!(at.date().weekday().to_monday_one_offset() <= 5);
        }
        let dates: std::collections::BTreeSet<_> = sent.iter().map(|at| at.date()).collect();
        prop_assert_eq!(dates.len(), days.len(), "no two days on one date");
    }
}

fn is_office_hour(play: &Play, at: Timestamp) -> bool {
    // The zone of the contact as it is now may be another than when a touch was scheduled.
    [HOME, "Pacific/Auckland"].iter().any(|zone| {
        let local = TimeZone::get(zone).unwrap().to_datetime(at);
        let minutes = i32::from(local.hour()) * 60 + i32::from(local.minute());
        local.date().weekday().to_monday_one_offset() <= 5 && (540..1050).contains(&minutes)
    }) && !play.world.contacts.is_empty()
}

/// Events of one person about consent, each with some of their keys, the address always among them.
fn statement(play: &mut Play, (kind, how, hour): (usize, u8, i64)) -> EventInput {
    let kinds = [
        EventKind::Unsubscribed,
        EventKind::Resubscribed,
        EventKind::Complained,
        EventKind::Bounced,
        EventKind::FormSubmitted,
        EventKind::Replied,
    ];
    let subject =
        SubjectKeys { crm_ids: if how.is_multiple_of(2) { ada().crm_ids } else { Vec::new() }, ..ada() };
    let classification =
        if how.is_multiple_of(3) { Classification::Unsubscribe } else { Classification::Positive };
    let occurred = at("2026-03-01 10:00").checked_add(SignedDuration::from_hours(hour)).unwrap();
    let made = event(kinds[kind]).of(subject).occurred(occurred).detail(|detail| match kinds[kind] {
        EventKind::Unsubscribed | EventKind::Resubscribed => {
            detail.channel = [None, Some(Channel::Email), Some(Channel::Sms)][usize::from(how) % 3];
        }
        EventKind::Bounced => detail.bounce = Some(Bounce::Hard),
        EventKind::Replied => detail.classification = Some(classification),
        _ => {}
    });
    play.input(made)
}

/// What is stopped in the end, of each address and of the person. A contact is made in any case, last.
fn suppressions(inputs: &[EventInput]) -> String {
    let mut play = Play::new(vec![]);
    for input in inputs {
        play.fold(&Input::Event(input.clone()));
    }
    let last = play.input(form());
    play.fold(&Input::Event(EventInput { event: Arc::clone(&last.event), ..last }));
    let identities: Vec<_> = play
        .world
        .identities
        .iter()
        .filter(|(_, row)| !row.suppressions.is_empty())
        .map(|(key, row)| (key.clone(), row.suppressions.clone()))
        .collect();
    format!("{identities:?} {:?}", play.contact(&ada()).suppressions)
}
