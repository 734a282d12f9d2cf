//! Language §5.1 and §5.2: what may not be sent.

use domain::cadence::Outcome;
use domain::decision::RefusalRule;
use domain::enrollment::EnrollmentState as State;
use domain::event::{Bounce, EventKind};
use domain::identity::{IdentityKind, SubjectKeys};
use domain::suppression::StopReason;
use domain::touch::{Channel, TouchState};

use crate::play::*;
use crate::said::*;
use crate::writing::*;

fn opt_out(channel: Channel) -> Sent {
    event(EventKind::Unsubscribed).detail(|detail| detail.channel = Some(channel))
}

fn hard_bounce() -> Sent {
    event(EventKind::Bounced).detail(|detail| detail.bounce = Some(Bounce::Hard))
}

#[test]
fn an_opt_out_can_come_before_any_contact() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(event(EventKind::Unsubscribed).of(bob()));
    assert!(play.world.contacts.is_empty());

    let record = play.send(form().of(bob()));

    assert_eq!(refused(&record), [("demo", RefusalRule::Suppressed)]);
}

#[test]
fn an_address_that_a_stopped_contact_gains_is_stopped_too() {
    let mut play = Play::new(vec![]);
    play.send(form());
    play.send(event(EventKind::Unsubscribed));

    let both = SubjectKeys { email: bob().email, ..ada() };
    play.send(event(EventKind::ContactUpdated).of(both));

    let world = &play.world;
    let key = world.identity_key(&domain::id::Workspace::main(), IdentityKind::Email, "bob@acme.com");
    assert_eq!(
        world.identities.get(&key).unwrap().suppressions.stop(Channel::Email),
        Some(StopReason::OptOut)
    );
}

#[test]
fn the_later_of_two_contradicting_statements_decides_and_a_tie_means_stopped() {
    let (early, late) = (at("2026-03-01 10:00"), at("2026-03-01 11:00"));
    for (stop, consent, stopped) in [(early, late, false), (late, early, true), (early, early, true)] {
        for stop_first in [true, false] {
            let mut play = Play::new(vec![]);
            let mut events = vec![
                event(EventKind::Unsubscribed).occurred(stop),
                event(EventKind::Resubscribed).occurred(consent),
            ];
            if !stop_first {
                events.reverse();
            }
            play.send(form());
            for sent in events {
                play.send(sent);
            }

            assert_eq!(
                play.contact(&ada()).suppressions.stop_all().is_some(),
                stopped,
                "{stop} {consent} {stop_first}"
            );
        }
    }
}

#[test]
fn a_superseded_opt_out_stops_nothing_and_says_so() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    play.send(event(EventKind::Resubscribed));

    let record = play.send(event(EventKind::Unsubscribed).occurred(at("2026-03-01 10:00")));

    assert_eq!(ignored(&record), ["superseded"]);
    assert_eq!(play.state("demo"), State::Live);
}

#[test]
fn an_opt_out_of_one_channel_takes_its_open_tasks_back_and_the_rest_goes_on() {
    let mut play =
        Play::new(vec![cadence("demo", vec![email("a"), call("b").after("1h"), email("c").after("1h")])]);
    play.send(form());
    play.at("2026-03-02 11:00").send(opt_out(Channel::Email));
    assert_eq!((play.touch("a").state, play.step("demo").as_str()), (TouchState::Withdrawn, "b"));
    assert_eq!(play.withdrawals(), [play.touch("a").id]);

    play.at("2026-03-02 12:30").complete("b", "done");
    play.at("2026-03-02 14:00");

    assert_eq!(play.touch("c").state, TouchState::Skipped);
    assert_eq!(play.state("demo"), State::Finished);
}

#[test]
fn without_a_touch_on_a_reachable_channel_the_enrollment_exits() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a"), email("b"), email("c").day(3)])]);
    play.send(form());
    play.at("2026-03-02 10:30").complete("a", "done");
    play.later(60);

    play.send(opt_out(Channel::Email));

    assert_eq!(play.ending("demo"), (State::Exited, "unsubscribed".into(), Outcome::Stopped));
}

#[test]
fn a_hard_bounce_is_of_the_address_alone() {
    let mut play = Play::new(vec![cadence("demo", vec![email("a"), call("b")])]);
    play.send(form());
    play.at("2026-03-02 11:00").send(hard_bounce());
    assert_eq!(play.step("demo"), "b");
    assert!(play.contact(&ada()).suppressions.is_empty());

    // A new address can be written to.
    let moved = SubjectKeys { email: bob().email, ..ada() };
    play.send(event(EventKind::ContactUpdated).of(moved.clone()));
    let mut second = Play::new(vec![]);
    std::mem::swap(&mut second.world.contacts, &mut play.world.contacts);
    assert_eq!(second.contact(&moved).email, bob().email);
}

#[test]
fn a_soft_bounce_stops_nothing() {
    let mut play = Play::new(vec![cadence("demo", vec![email("a")])]);
    play.send(form());
    play.at("2026-03-02 11:00")
        .send(event(EventKind::Bounced).detail(|detail| detail.bounce = Some(Bounce::Soft)));

    assert_eq!(play.touch("a").state, TouchState::Open);
}

#[test]
fn a_bounce_hides_no_opt_out_whichever_came_first() {
    for bounce_first in [true, false] {
        let mut play = Play::new(vec![]);
        let stop = opt_out(Channel::Email).of(bob()).occurred(at("2026-03-01 10:00"));
        let bounce = hard_bounce().of(bob()).occurred(at("2026-03-01 11:00"));
        let events = if bounce_first { [bounce, stop] } else { [stop, bounce] };
        for sent in events {
            play.send(sent);
        }

        play.send(form().of(bob()));

        assert_eq!(
            play.contact(&bob()).suppressions.stop(Channel::Email),
            Some(StopReason::OptOut),
            "{bounce_first}"
        );
    }
}

#[test]
fn a_channel_that_is_stopped_at_the_due_time_is_skipped() {
    let mut play = Play::new(vec![cadence("demo", vec![email("a").day(3), call("b").day(4)])]);
    play.send(form());
    play.send(opt_out(Channel::Email));
    assert_eq!(play.state("demo"), State::Live);

    play.at("2026-03-05 12:00");

    assert_eq!(play.touch("a").state, TouchState::Skipped);
    assert_eq!(play.went_out(), [("b", "2026-03-05 09:00")]);
}

#[test]
fn a_cadence_of_stopped_channels_refuses_the_entry() {
    let mut play = Play::new(vec![cadence("demo", vec![email("a")])]);
    play.send(opt_out(Channel::Email));

    assert_eq!(refused(&play.send(form())), [("demo", RefusalRule::Suppressed)]);
}

#[test]
fn an_opt_out_applies_to_everyone_whom_its_keys_match() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());
    play.send(form().of(bob()));

    play.send(event(EventKind::Unsubscribed).of(SubjectKeys { email: bob().email, ..ada() }));

    assert!(play.enrollments("demo").iter().all(|row| row.state == State::Exited));
}

#[test]
fn erasure_leaves_hashes_and_stops_and_older_events_are_ignored() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form().contact("title", "CEO").data("message", "call me"));
    let early = play.now;
    play.at("2026-03-02 12:00").send(event(EventKind::ContactDeleted));
    let row = play.world.contacts.iter().next().unwrap().1;
    assert!(
        row.email.is_none() && row.crm_ids.is_empty() && row.attributes.is_empty() && row.erased_at.is_some()
    );
    assert_eq!(play.state("demo"), State::Exited);
    assert!(play.enrollment("demo").entry.data.is_empty(), "what the form said is gone too");

    let record = play.send(form().occurred(early));
    assert_eq!(ignored(&record), ["erased"]);

    // A newer one may make a fresh contact, stopped still.
    let record = play.at("2026-03-03 12:00").send(form());
    assert_eq!(refused(&record), [("demo", RefusalRule::Suppressed)]);
    assert_eq!(play.world.contacts.len(), 2);
}

#[test]
fn renewed_consent_lets_a_contact_in_again() {
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(event(EventKind::Unsubscribed));
    play.at("2026-03-03 10:00").send(event(EventKind::Resubscribed));

    assert_eq!(enrolled(&play.send(form())), ["demo"]);
}

#[test]
fn a_person_suppresses_by_hand() {
    let mut play = Play::new(vec![]);
    play.send(form());

    play.send(event(EventKind::Unsubscribed).by("rep"));

    assert_eq!(play.contact(&ada()).suppressions.stop_all(), Some(StopReason::Manual));
}

#[test]
fn a_reply_that_asks_to_be_left_alone_is_of_the_stop_class() {
    use domain::decide::stop_class;
    use domain::event::{Classification, StopClass};
    let mut play = Play::new(vec![]);
    for (classification, expected) in
        [(Classification::Unsubscribe, StopClass::Always), (Classification::Negative, StopClass::Ordinary)]
    {
        let reply = event(EventKind::Replied).detail(|detail| detail.classification = Some(classification));

        assert_eq!(stop_class(&play.input(reply).event), expected);
    }
}

#[test]
fn the_same_person_in_another_workspace_is_another_person() {
    use domain::id::Workspace;
    use domain::input::{EventInput, Input};
    let mut play = Play::new(vec![cadence("demo", vec![call("a")])]);
    play.send(form());

    let input = play.input(event(EventKind::Unsubscribed));
    let elsewhere =
        domain::event::Event { workspace: Workspace::new("west").unwrap(), ..(*input.event).clone() };
    play.fold(&Input::Event(EventInput { event: elsewhere.into(), ..input }));

    assert_eq!(play.state("demo"), State::Live);
    assert!(play.contact(&ada()).suppressions.is_empty());
    assert_eq!(play.world.decisions.last().unwrap().workspace.as_str(), "west");
}
