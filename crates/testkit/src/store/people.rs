//! Reading for people.

use domain::decision::Cause;
use domain::event::EventKind;
use domain::id::Workspace;
use domain::touch::{AttemptResult, Channel, Delivery, TouchState};
use engine::{DomainFold, Keep};
use ports::queries::TaskFilter;
use std::sync::Arc;

use super::build::event;
use super::dispatch::{due, enroll, request, worker};
use super::mini::{catalog, owner};
use super::{Fixture, Mini, enrolled, events, form, settle, stop};

pub async fn a_contact_is_explained(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let first = form("e1", "ada@example.com", now);
    let uid = enrolled(&first.event);
    store.run(events([first.clone().input()]), Mini::new()).await.unwrap();
    store.run(events([stop("e2", "ada@example.com", now).input()]), Mini::new()).await.unwrap();
    let main = Workspace::main();
    let id = store.enrollment(&main, uid).await.unwrap().expect("it was enrolled").contact;

    let view = store.contact(&main, id).await.unwrap().expect("they are there");

    assert_eq!(view.events.len(), 2);
    assert_eq!(view.decisions.len(), 2);
    assert!(view.decisions.is_sorted_by_key(|one| one.at));
    assert_eq!(view.suppressions.len(), 1);
    assert_eq!(view.timers, []);
    assert_eq!(view.touches.iter().map(|one| one.state).collect::<Vec<_>>(), [TouchState::Withdrawn]);
    let tail = store.decisions_after(&main, None, 1).await.unwrap();
    assert_eq!(tail.len(), 1);
    assert_eq!(store.decisions_after(&main, Some(tail[0].0), 10).await.unwrap(), []);
    assert_eq!(store.decisions_after(&main, Some(0), 10).await.unwrap().len(), 2);
    let summary = store.summary(&main).await.unwrap();
    assert_eq!((summary.contacts, summary.live, summary.scheduled), (1, 0, 0));
}

pub async fn an_event_that_changes_nothing_is_shown_and_takes_one_row(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let fold = Arc::new(DomainFold::new(catalog(), Keep::Nothing));
    let first = form("e1", "ada@example.com", now);
    let uid = enrolled(&first.event);
    store.run(events([first.input()]), Mini::new()).await.unwrap();
    let opened = event(EventKind::EmailOpened, "e2", "ada@example.com", now);
    store.run(events([opened.clone().input()]), fold).await.unwrap();
    let main = Workspace::main();
    let id = store.enrollment(&main, uid).await.unwrap().expect("it was enrolled").contact;

    let view = store.contact(&main, id).await.unwrap().expect("they are there");

    assert_eq!((fixture.count("events").await, fixture.count("decisions").await), (2, 1));
    assert_eq!((view.events.len(), view.decisions.len()), (2, 2));
    let of_opened = view.decisions.iter().find(|record| record.items.is_empty()).expect("it is shown");
    let cause = Cause::Event {
        digest: opened.event.digest,
        id: opened.event.id.clone(),
        source: opened.event.source.clone(),
        kind: EventKind::EmailOpened,
        occurred_at: opened.event.occurred_at,
    };
    assert_eq!((&of_opened.cause, of_opened.contact), (&cause, Some(id)));
    assert_eq!(store.event(&main, "website", opened.event.digest).await.unwrap(), Some(opened.event));
}

pub async fn what_there_is_can_be_named(fixture: &impl Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.workspaces().await.unwrap(), Vec::<String>::new());
    enroll(&store, ["ada@example.com", "bob@example.com"]).await;

    assert_eq!(store.workspaces().await.unwrap(), ["main"]);
    assert_eq!(store.owners(&Workspace::main()).await.unwrap(), [owner().as_str()]);
    assert_eq!(store.owners(&Workspace::new("other").unwrap()).await.unwrap(), Vec::<String>::new());
}

pub async fn tasks_are_listed_for_their_owner(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let main = Workspace::main();
    let now = store.now().await.unwrap();
    enroll(&store, ["ada@example.com", "bob@example.com"]).await;
    let picked = due(&store).await;
    store.mark(worker(1), vec![request(&picked[0], "the task")]).await.unwrap();
    let sent = AttemptResult::Sent { remote_id: None, delivery: Delivery::Task };
    store.run(events([settle(picked[0].touch, 1, sent, now)]), Mini::new()).await.unwrap();

    let open = store.tasks(&main, &TaskFilter::default()).await.unwrap();
    let mine = TaskFilter { owner: Some(owner()), channel: Some(Channel::Call), ..TaskFilter::default() };
    let texts = TaskFilter { channel: Some(Channel::Sms), ..TaskFilter::default() };
    let scheduled = TaskFilter { state: Some(TouchState::Scheduled), ..TaskFilter::default() };

    assert_eq!(open.iter().map(|one| one.touch.id).collect::<Vec<_>>(), [picked[0].touch]);
    assert_eq!(open[0].body.as_deref(), Some(&b"the task"[..]));
    assert_eq!(store.tasks(&main, &mine).await.unwrap(), open);
    assert_eq!(store.tasks(&main, &texts).await.unwrap(), []);
    assert_eq!(store.tasks(&main, &scheduled).await.unwrap().len(), 1);
    let of_contact = TaskFilter { contact: Some(open[0].contact.id), ..TaskFilter::default() };
    assert_eq!(store.tasks(&main, &of_contact).await.unwrap(), open);
    assert_eq!(store.tasks(&Workspace::new("other").unwrap(), &TaskFilter::default()).await.unwrap(), []);
    assert_eq!(store.task(&main, open[0].touch.key).await.unwrap().as_ref(), open.first());
}
