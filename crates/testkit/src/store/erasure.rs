//! Erasing a person leaves nothing of them in any column of any table, but hashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use contracts::{DeadLetter, Published as _, Wire as _};
use domain::event::EventKind;
use domain::id::Workspace;
use domain::identity::{CrmId, IdentityKind};
use domain::touch::{AttemptResult, Note};
use engine::{DomainFold, Keep};
use jiff::Timestamp;
use ports::bus::{Message, Topic};
use ports::dispatch::CommandResult;
use ports::relay::{AsideList, SetAside};

use super::build::{Form, event};
use super::commands::take;
use super::dispatch::{due, request, worker};
use super::mini::catalog;
use super::{Fixture, Mini, StorePorts, events, form, keys, settle};

/// What is to be found nowhere. Whoever is not erased bears the other one.
const MARK: &str = "zzmarker";
const OTHER: &str = "zzbystander";

fn decided() -> Arc<DomainFold> {
    Arc::new(DomainFold::new(catalog(), Keep::Nothing))
}

/// A form with a mark in every field.
fn filled(mark: &str, now: Timestamp) -> Form {
    let mut form = form(&format!("{mark}-form"), &format!("{mark}@example.com"), now);
    let detail = &mut form.event.detail;
    form.event.subject.crm_ids = vec![CrmId::new(&format!("{mark}-crm")).unwrap()];
    detail.data = detail.data.clone().with("note", format!("{mark} wrote this"));
    detail.contact = detail.contact.clone().with("first_name", mark.to_owned());
    form
}

/// A dead letter about somebody whom it names by a CRM id alone.
fn letter(mark: &str, now: Timestamp) -> DeadLetter {
    let mut stuck = event(EventKind::PageVisited, &format!("{mark}-stuck"), "nobody@example.com", now).event;
    stuck.subject = domain::identity::SubjectKeys {
        crm_ids: vec![CrmId::new(&format!("{mark}-crm")).unwrap()],
        ..domain::identity::SubjectKeys::default()
    };
    DeadLetter {
        workspace: Some(Workspace::main()),
        payload: stuck.to_bytes(),
        key: stuck.key(),
        headers: BTreeMap::new(),
        error: Note::new("unprocessable", "it cannot be folded"),
        attempts: 1,
        failed_at: now,
        topic: "events".to_owned(),
        partition: 0,
        offset: 1,
    }
}

fn aside(list: AsideList, place: &str, (payload, at): (Vec<u8>, Timestamp)) -> SetAside {
    SetAside {
        id: 0,
        list,
        workspace: Workspace::main(),
        source: "website".to_owned(),
        code: "unknown_kind".to_owned(),
        text: "no such kind".to_owned(),
        at,
        payload,
        place: place.to_owned(),
        redriven_at: None,
    }
}

/// Leaves traces of somebody in all tables: events of theirs and of nobody, a touch that was sent and refused, things set
/// aside, messages that wait for the bus.
async fn live(store: &Arc<dyn StorePorts>, mark: &str, now: Timestamp) {
    // Before anybody knows them: nobody's event.
    let visit =
        event(EventKind::EmailOpened, &format!("{mark}-open"), &format!("{mark}@example.com"), now).input();
    store.run(events([visit.clone()]), decided()).await.unwrap();
    // Delivered again: a record that no contact leads to.
    store.run(events([visit]), decided()).await.unwrap();
    store.run(events([filled(mark, now).input()]), Mini::new()).await.unwrap();
    // Changes nothing, so that its own row is all there is of it.
    let look =
        event(EventKind::EmailOpened, &format!("{mark}-look"), &format!("{mark}@example.com"), now).input();
    store.run(events([look]), decided()).await.unwrap();
    let picked = due(store).await;
    store.mark(worker(1), vec![request(&picked[0], &format!("{{\"to\":\"{mark}\"}}"))]).await.unwrap();
    let refused = AttemptResult::Rejected(Note::new("refused", format!("{mark} is unknown here")));
    store.run(events([settle(picked[0].touch, 1, refused, now)]), Mini::new()).await.unwrap();
    let raw = format!("{{\"from\":\"{mark}@Example.COM\"}}").into_bytes();
    let asides = vec![
        aside(AsideList::Quarantine, &format!("q/{mark}"), (raw, now)),
        aside(AsideList::DeadLetter, &format!("d/{mark}"), (letter(mark, now).to_bytes().to_vec(), now)),
    ];
    store.project(asides, None).await.unwrap();
    let encoded = letter(mark, now).message(None);
    let message = Message {
        topic: Topic::DeadLetter,
        key: b"main:k".to_vec(),
        headers: BTreeMap::new(),
        payload: encoded.payload,
    };
    store.append(vec![message]).await.unwrap();
}

fn erasing(mark: &str, now: Timestamp) -> Form {
    event(EventKind::ContactDeleted, &format!("{mark}-erase"), &format!("{mark}@example.com"), now)
}

async fn keep_house(store: &Arc<dyn StorePorts>) {
    while store.expire(100).await.unwrap() >= 100 {}
}

pub async fn nothing_is_left_of_an_erased_person_but_hashes(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    live(&store, MARK, now).await;
    live(&store, OTHER, now).await;
    let before: BTreeSet<String> = fixture.holding(MARK).await.into_iter().collect();
    let others = fixture.holding(OTHER).await;
    for place in
        ["attempts.body", "asides.payload", "contacts.email", "decisions.body", "events.body", "outbox.body"]
    {
        assert!(
            before.iter().any(|held| held.ends_with(place)),
            "the test leaves no trace in {place}: {before:?}"
        );
    }

    store.run(events([erasing(MARK, now).input()]), decided()).await.unwrap();
    keep_house(&store).await;

    assert_eq!(fixture.holding(MARK).await, Vec::<String>::new());
    assert_eq!(fixture.holding(OTHER).await, others, "whoever else was there is there");
    let email = keys().key(&Workspace::main(), IdentityKind::Email, &format!("{MARK}@example.com"));
    let said = store.suppressions(std::slice::from_ref(&email)).await.unwrap();
    assert!(!said[0].1.is_empty(), "the stop outlives it");
}

pub async fn an_older_event_of_an_erased_person_leaves_no_trace(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    live(&store, MARK, now).await;
    store.run(events([erasing(MARK, now).input()]), decided()).await.unwrap();
    keep_house(&store).await;

    let mut late = filled(MARK, now.saturating_sub(Duration::from_secs(60)).unwrap());
    late.event.digest = domain::id::Digest::of(&[b"late"]);
    let report = store.run(events([late.input()]), decided()).await.unwrap();

    assert_eq!((report.fresh, report.enrolled), (1, 0));
    assert_eq!(fixture.holding(MARK).await, Vec::<String>::new());
}

pub async fn an_event_of_somebody_else_that_named_them_goes_too(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    for mark in [MARK, OTHER] {
        store.run(events([filled(mark, now).input()]), decided()).await.unwrap();
    }
    // The id at the CRM decides whose it is; the address is another's.
    let mut both = event(EventKind::EmailOpened, "both", &format!("{MARK}@example.com"), now);
    both.event.subject.crm_ids = vec![CrmId::new(&format!("{OTHER}-crm")).unwrap()];
    store.run(events([both.input()]), decided()).await.unwrap();
    assert_eq!(fixture.count("events").await, 3);

    store.run(events([erasing(MARK, now).input()]), decided()).await.unwrap();
    keep_house(&store).await;

    assert_eq!(fixture.holding(MARK).await, Vec::<String>::new());
    assert_eq!(fixture.count("events").await, 1, "the other one's own");
}

pub async fn an_erasure_waits_for_the_attempt_that_is_in_flight(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    store.run(events([filled(MARK, now).input()]), Mini::new()).await.unwrap();
    let picked = due(&store).await;
    store.mark(worker(1), vec![request(&picked[0], MARK)]).await.unwrap();
    store.run(events([erasing(MARK, now).input()]), decided()).await.unwrap();
    keep_house(&store).await;
    assert!(!fixture.holding(MARK).await.is_empty(), "its request is still under way");

    let refused = AttemptResult::Rejected(Note::new("refused", format!("{MARK} is unknown here")));
    store.run(events([settle(picked[0].touch, 1, refused, now)]), decided()).await.unwrap();
    let commands = store.due_commands(take(10)).await.unwrap();
    store.finish_commands(commands.iter().map(|one| (one.id, CommandResult::Done)).collect()).await.unwrap();
    keep_house(&store).await;

    assert_eq!(fixture.holding(MARK).await, Vec::<String>::new());
}
