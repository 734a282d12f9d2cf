//! Pick, view, mark.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::budget::Reservation;
use domain::id::{ConnectorName, Shard, TouchId, Workspace};
use domain::touch::{AttemptResult, Delivery, Note, TouchState};
use jiff::Timestamp;
use ports::dispatch::{FlagKeys, MarkRequest, Marked, Pick, Picked, WorkerId};
use uuid::Uuid;

use super::mini::{cadence, catalog, lane, owner};
use super::{Fixture, Mini, StorePorts, enrolled, events, form, settle, stop};

/// A worker by number.
#[must_use]
pub fn worker(number: u128) -> WorkerId {
    WorkerId(Uuid::from_u128(number))
}

/// The shards, all of them.
pub(super) fn shards() -> Vec<Shard> {
    Shard::all().collect()
}

/// Everything that is due, as the dispatcher would ask to mark it.
#[must_use]
pub fn request(picked: &Picked, body: &str) -> MarkRequest {
    MarkRequest {
        touch: picked.touch,
        fence: picked.fence,
        flags: FlagKeys {
            workspace: picked.workspace.clone(),
            cadence: cadence(),
            owner: Some(owner()),
            connector: lane().connector,
        },
        body: Bytes::copy_from_slice(body.as_bytes()),
        reservations: Vec::new(),
    }
}

/// Enrolls people with touches that are due at once.
pub async fn enroll(store: &Arc<dyn StorePorts>, people: impl IntoIterator<Item = &str>) {
    let now = store.now().await.unwrap();
    let inputs: Vec<_> =
        people.into_iter().map(|who| form(&format!("enroll {who}"), who, now).input()).collect();
    store.run(events(inputs), Mini::new()).await.unwrap();
}

/// All due touches.
pub async fn due(store: &Arc<dyn StorePorts>) -> Vec<Picked> {
    store.pick(&all(10_000)).await.unwrap()
}

/// Everything in the lane of the suite, so many of each workspace.
pub(super) fn all(each: usize) -> Pick {
    let workspaces = vec![Workspace::main(), Workspace::new("other").unwrap()];
    Pick { lane: lane(), workspaces, shards: shards(), each }
}

/// The state of a touch.
pub(super) async fn state(store: &Arc<dyn StorePorts>, touch: TouchId) -> TouchState {
    let world = store.view(&[touch], catalog()).await.unwrap();
    world.touches.get(&touch).expect("it is there").state
}

fn sent() -> AttemptResult {
    AttemptResult::Sent { remote_id: Some("R-1".to_owned()), delivery: Delivery::Task }
}

/// One budget of so many, counting what came after `since`.
pub(super) fn budget(max: u32, since: Timestamp) -> Reservation {
    let forget_after = since.saturating_add(Duration::from_hours(24 * 365)).unwrap();
    Reservation { key: "contact/1/*/7d".to_owned(), max: Some(max), counted_since: since, forget_after }
}

pub async fn due_touches_are_picked_oldest_first(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let people: Vec<String> = (0..100).map(|n| format!("c{n}@example.com")).collect();
    enroll(&store, people.iter().map(String::as_str)).await;

    let every = due(&store).await;
    let few = store.pick(&all(3)).await.unwrap();
    let of_two = store.pick(&Pick { shards: vec![Shard(3), Shard(31)], ..all(1_000) }).await.unwrap();
    let none = store.pick(&Pick { shards: Vec::new(), ..all(10) }).await.unwrap();

    assert_eq!(every.len(), 100);
    assert!(every.is_sorted_by_key(|one| one.due_at));
    assert_eq!(few.len(), 3);
    assert_eq!(few.last().unwrap().due_at, every[2].due_at);
    let theirs = every.iter().filter(|one| [Shard(3), Shard(31)].contains(&one.shard)).count();
    assert_eq!((of_two.len(), of_two.iter().all(|one| [3, 31].contains(&one.shard.0))), (theirs, true));
    assert_eq!(none, []);
    assert_eq!(store.lanes().await.unwrap(), [lane()]);
    assert_eq!(store.next_due(&lane().connector).await.unwrap(), Some(every[0].due_at));
    assert_eq!(store.next_due(&ConnectorName::inbox()).await.unwrap(), None);
}

pub async fn a_workspace_with_much_to_do_hides_no_other(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let people: Vec<String> = (0..60).map(|n| format!("c{n}@example.com")).collect();
    enroll(&store, people.iter().map(String::as_str)).await;
    fixture.elapse(Duration::from_secs(5)).await;
    let now = store.now().await.unwrap();
    let late = form("late", "ada@example.com", now).in_workspace("other").input();
    store.run(events([late]), Mini::new()).await.unwrap();

    let picked = store.pick(&all(5)).await.unwrap();

    let others = picked.iter().filter(|one| one.workspace.as_str() == "other").count();
    assert_eq!((picked.len(), others), (6, 1));
    let mine = Pick { workspaces: vec![Workspace::new("other").unwrap()], ..all(5) };
    assert_eq!(store.pick(&mine).await.unwrap().len(), 1);
    assert_eq!(store.next_due(&lane().connector).await.unwrap(), Some(picked[0].due_at));
}

pub async fn what_is_not_due_or_held_is_not_picked(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let later = Arc::new(Mini { due_in: Duration::from_secs(3600), ..Mini::default() });
    let report = store.run(events([form("e1", "ada@example.com", now).input()]), later).await.unwrap();

    assert_eq!(report.touches_scheduled, 0, "an hour ahead is not soon");
    assert_eq!(due(&store).await, []);
    assert!(store.next_due(&lane().connector).await.unwrap().is_some_and(|at| at > now));
    fixture.elapse(Duration::from_secs(3601)).await;
    assert_eq!(due(&store).await.len(), 1);
    enroll(&store, ["bob@example.com"]).await;
    let picked = due(&store).await;
    let rejected = AttemptResult::Rejected(Note::new("no", "refused"));
    store.mark(worker(1), vec![request(&picked[0], "b")]).await.unwrap();
    store.run(events([settle(picked[0].touch, 1, rejected, now)]), Mini::new()).await.unwrap();

    assert_eq!(state(&store, picked[0].touch).await, TouchState::Failed);
    assert_eq!(due(&store).await.len(), 1, "the failed one is held");
}

pub async fn a_view_holds_what_rendering_needs(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@firm.example", "bob@firm.example"]).await;
    let picked = due(&store).await;

    let world = store.view(&[picked[0].touch], catalog()).await.unwrap();

    assert_eq!((world.touches.len(), world.enrollments.len(), world.contacts.len()), (1, 1, 1));
    assert_eq!((world.accounts.len(), world.timers.len()), (1, 1));
    assert_eq!(world.identities.len(), 1, "the address");
    assert_eq!(store.view(&[TouchId(0)], catalog()).await.unwrap().touches.len(), 0);
}

pub async fn a_mark_takes_the_touch_out_and_gives_the_bytes(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let picked = due(&store).await.remove(0);

    let marked = store.mark(worker(1), vec![request(&picked, "hello")]).await.unwrap();

    let [Marked::Yes { attempt: 1, body, .. }] = &marked[..] else { panic!("{marked:?}") };
    assert_eq!(body, "hello");
    assert_eq!(due(&store).await, []);
    assert_eq!(state(&store, picked.touch).await, TouchState::Sending);
    let now = store.now().await.unwrap();
    store.run(events([settle(picked.touch, 1, sent(), now)]), Mini::new()).await.unwrap();
    assert_eq!(state(&store, picked.touch).await, TouchState::Open);
}

pub async fn a_touch_is_marked_once(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let picked = due(&store).await.remove(0);

    let twins = store.mark(worker(1), vec![request(&picked, "a"), request(&picked, "b")]).await.unwrap();
    let later = store.mark(worker(2), vec![request(&picked, "c")]).await.unwrap();

    assert!(matches!(twins[..], [Marked::Yes { .. }, Marked::Lost]), "{twins:?}");
    assert_eq!(later, [Marked::Lost]);
}

pub async fn a_stop_before_the_mark_wins(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let picked = due(&store).await.remove(0);
    let now = store.now().await.unwrap();

    store.run(events([stop("s", "ada@example.com", now).input()]), Mini::new()).await.unwrap();
    let marked = store.mark(worker(1), vec![request(&picked, "a")]).await.unwrap();

    assert_eq!(marked, [Marked::Lost]);
    assert_eq!(state(&store, picked.touch).await, TouchState::Withdrawn);
}

pub async fn a_stop_after_the_mark_sees_it_sending(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let picked = due(&store).await.remove(0);
    let now = store.now().await.unwrap();

    store.mark(worker(1), vec![request(&picked, "a")]).await.unwrap();
    let report = store.run(events([stop("s", "ada@example.com", now).input()]), Mini::new()).await.unwrap();

    assert_eq!(report.ended, 1);
    assert_eq!(report.commands_queued, 1, "its task is to be withdrawn");
    assert_eq!(state(&store, picked.touch).await, TouchState::Sending);
}

pub async fn a_repeat_sends_the_first_bytes_and_reserves_nothing(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let now = store.now().await.unwrap();
    let reserving = |picked: &Picked, body: &str| MarkRequest {
        reservations: vec![budget(1, Timestamp::UNIX_EPOCH)],
        ..request(picked, body)
    };
    let picked = due(&store).await.remove(0);
    let first = store.mark(worker(1), vec![reserving(&picked, "first")]).await.unwrap();
    let unknown = AttemptResult::Unknown { again_at: None, note: Note::new("timeout", "no answer") };
    store.run(events([settle(picked.touch, 1, unknown, now)]), Mini::new()).await.unwrap();

    let again = due(&store).await.remove(0);
    let second = store.mark(worker(1), vec![reserving(&again, "second")]).await.unwrap();

    assert_eq!(again.attempt, 1);
    let [Marked::Yes { since: first_since, .. }] = &first[..] else { panic!("{first:?}") };
    let [Marked::Yes { attempt: 2, body, since, .. }] = &second[..] else { panic!("{second:?}") };
    assert_eq!(body, "first");
    // What was stored has microseconds.
    assert_eq!(since.as_microsecond(), first_since.as_microsecond());
}

pub async fn a_void_mark_gives_its_budgets_back(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com", "bob@example.com"]).await;
    let now = store.now().await.unwrap();
    let reserving = |picked: &Picked, body: &str| MarkRequest {
        reservations: vec![budget(1, Timestamp::UNIX_EPOCH)],
        ..request(picked, body)
    };
    let picked = due(&store).await;
    store.mark(worker(1), vec![reserving(&picked[0], "a")]).await.unwrap();
    let full = store.mark(worker(1), vec![reserving(&picked[1], "b")]).await.unwrap();

    store.run(events([settle(picked[0].touch, 1, AttemptResult::Void, now)]), Mini::new()).await.unwrap();
    let room = store.mark(worker(1), vec![reserving(&picked[1], "b")]).await.unwrap();

    assert!(matches!(full[..], [Marked::Full { .. }]), "{full:?}");
    assert!(matches!(room[..], [Marked::Yes { attempt: 1, .. }]), "{room:?}");
    let voided = due(&store).await.remove(0);
    assert_eq!((voided.touch, voided.attempt), (picked[0].touch, 1));
    let again = store.mark(worker(1), vec![request(&voided, "new")]).await.unwrap();
    let [Marked::Yes { attempt: 2, body, .. }] = &again[..] else { panic!("{again:?}") };
    assert_eq!(body, "new", "nothing of a void attempt left, so it is rendered anew");
}

pub async fn a_budget_is_kept_while_nobody_knows(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com", "bob@example.com"]).await;
    let now = store.now().await.unwrap();
    let reserving = |picked: &Picked| MarkRequest {
        reservations: vec![budget(1, Timestamp::UNIX_EPOCH)],
        ..request(picked, "x")
    };
    let picked = due(&store).await;
    store.mark(worker(1), vec![reserving(&picked[0])]).await.unwrap();

    let unknown = AttemptResult::Unknown { again_at: None, note: Note::new("timeout", "no answer") };
    store.run(events([settle(picked[0].touch, 1, unknown, now)]), Mini::new()).await.unwrap();

    let full = store.mark(worker(1), vec![reserving(&picked[1])]).await.unwrap();
    assert!(matches!(full[..], [Marked::Full { .. }]), "{full:?}");
    let world = store.view(&[picked[0].touch], catalog()).await.unwrap();
    assert_eq!(world.touches.get(&picked[0].touch).unwrap().reserved, ["contact/1/*/7d"]);
}

pub async fn a_touch_that_never_left_an_ended_enrollment_gives_its_budgets_back(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com", "bob@example.com"]).await;
    let now = store.now().await.unwrap();
    let reserving = |picked: &Picked| MarkRequest {
        reservations: vec![budget(1, Timestamp::UNIX_EPOCH)],
        ..request(picked, "x")
    };
    let ada = touch_of(&store, "ada@example.com").await;
    let (hers, his): (Vec<_>, Vec<_>) = due(&store).await.into_iter().partition(|one| one.touch == ada);
    store.mark(worker(1), vec![reserving(&hers[0])]).await.unwrap();
    let retry = AttemptResult::Retry { at: now, note: Note::new("transient", "busy") };
    store.run(events([settle(ada, 1, retry, now)]), Mini::new()).await.unwrap();
    let full = store.mark(worker(1), vec![reserving(&his[0])]).await.unwrap();

    store.run(events([stop("s", "ada@example.com", now).input()]), Mini::new()).await.unwrap();

    let room = store.mark(worker(1), vec![reserving(&his[0])]).await.unwrap();
    assert!(matches!(full[..], [Marked::Full { .. }]), "{full:?}");
    assert!(matches!(room[..], [Marked::Yes { .. }]), "{room:?}");
}

pub async fn a_full_budget_names_its_uses(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["a@example.com", "b@example.com", "c@example.com"]).await;
    let requests: Vec<MarkRequest> = due(&store)
        .await
        .iter()
        .map(|one| MarkRequest { reservations: vec![budget(2, Timestamp::UNIX_EPOCH)], ..request(one, "x") })
        .collect();

    let marked = store.mark(worker(1), requests).await.unwrap();

    let full: Vec<_> = marked
        .iter()
        .filter_map(|one| match one {
            Marked::Full { key, uses } => Some((key.as_str(), uses.len())),
            _ => None,
        })
        .collect();
    assert_eq!(full, [("contact/1/*/7d", 2)]);
    assert_eq!(due(&store).await.len(), 1, "what found no room stays due");
}

pub async fn a_sliding_budget_is_exact(fixture: &impl Fixture) {
    const WEEK: Duration = Duration::from_hours(24 * 7);
    let store = fixture.open().await;
    let first = store.now().await.unwrap();
    enroll(&store, ["a@example.com", "b@example.com", "c@example.com"]).await;
    let picked = due(&store).await;
    let mark = async |place: usize| {
        let now = store.now().await.unwrap();
        let since = now.saturating_sub(WEEK).unwrap();
        let ask = MarkRequest { reservations: vec![budget(2, since)], ..request(&picked[place], "x") };
        store.mark(worker(1), vec![ask]).await.unwrap().remove(0)
    };
    assert!(matches!(mark(0).await, Marked::Yes { .. }));
    fixture.elapse(Duration::from_hours(24)).await;
    assert!(matches!(mark(1).await, Marked::Yes { .. }));

    fixture.elapse(WEEK - Duration::from_hours(24) - Duration::from_secs(60)).await;
    let before = mark(2).await;
    fixture.elapse(Duration::from_secs(120)).await;
    let after = mark(2).await;

    let Marked::Full { uses, .. } = before else { panic!("{before:?} at {first}") };
    assert_eq!(uses.len(), 2);
    assert!(uses.is_sorted());
    assert!(matches!(after, Marked::Yes { .. }), "{after:?}");
}

/// The enrollment's name and touch of someone.
pub(super) async fn touch_of(store: &Arc<dyn StorePorts>, who: &str) -> TouchId {
    let now = store.now().await.unwrap();
    let uid = enrolled(&form(&format!("enroll {who}"), who, now).event);
    let main = Workspace::main();
    let contact = store.enrollment(&main, uid).await.unwrap().expect("it was enrolled").contact;
    store.contact(&main, contact).await.unwrap().expect("they are there").touches[0].id
}
