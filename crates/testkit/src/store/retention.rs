//! What is kept for a time, and what for ever.

use std::sync::Arc;
use std::time::Duration;

use domain::id::Workspace;
use domain::identity::IdentityKind;
use domain::touch::{AttemptResult, Delivery};
use ports::dispatch::CommandResult;
use ports::queries::ContactView;

use super::commands::take;
use super::dispatch::{due, request, worker};
use super::{Fixture, Mini, StorePorts, events, form, keys, settle, stop};

const DAY: Duration = Duration::from_hours(24);

async fn keep_house(store: &Arc<dyn StorePorts>) {
    // A small slice, so that there is more than one.
    while store.expire(20).await.unwrap() >= 20 {}
}

async fn person(store: &Arc<dyn StorePorts>, who: &str) -> ContactView {
    let email = keys().key(&Workspace::main(), IdentityKind::Email, who);
    let id = store.contact_by_identity(&email).await.unwrap().expect("they are there");
    store.contact(&Workspace::main(), id).await.unwrap().expect("they are there")
}

fn sent() -> AttemptResult {
    AttemptResult::Sent { remote_id: Some("R-1".to_owned()), delivery: Delivery::Task }
}

pub async fn what_ended_long_ago_goes_but_for_what_re_entry_asks(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    for round in 0..3 {
        store
            .run(events([form(&format!("a{round}"), "ada@one.example", now).input()]), Mini::new())
            .await
            .unwrap();
        let picked = due(&store).await;
        store.mark(worker(1), vec![request(&picked[0], "body")]).await.unwrap();
        store.run(events([settle(picked[0].touch, 1, sent(), now)]), Mini::new()).await.unwrap();
        store
            .run(events([stop(&format!("s{round}"), "ada@one.example", now).input()]), Mini::new())
            .await
            .unwrap();
    }
    store.run(events([form("b", "bob@two.example", now).input()]), Mini::new()).await.unwrap();
    let commands = store.due_commands(take(10)).await.unwrap();
    store.finish_commands(commands.iter().map(|one| (one.id, CommandResult::Done)).collect()).await.unwrap();

    fixture.elapse(DAY * 179).await;
    keep_house(&store).await;
    let (ada, bob) = (person(&store, "ada@one.example").await, person(&store, "bob@two.example").await);
    assert_eq!((ada.enrollments.len(), ada.touches.len()), (3, 3), "not yet");
    assert_eq!((ada.decisions.len(), ada.events.len()), (6, 6));

    fixture.elapse(DAY * 2).await;
    keep_house(&store).await;
    let after = person(&store, "ada@one.example").await;
    let uids = |view: &ContactView| view.enrollments.iter().map(|one| one.uid).collect::<Vec<_>>();
    assert_eq!(uids(&after), uids(&ada)[..1], "the last one that ended, for re-entry");
    assert_eq!((after.touches.len(), after.decisions.len(), after.events.len()), (0, 0, 0));
    for table in ["attempts", "results", "remotes", "commands"] {
        assert_eq!(fixture.count(table).await, 0, "{table}");
    }
    let live = person(&store, "bob@two.example").await;
    assert_eq!((live.enrollments.len(), live.touches.len(), live.timers.len()), (1, 1, 1), "he is under way");
    assert_eq!(due(&store).await.len(), 1);
    assert_eq!(bob.contact, live.contact);
}

pub async fn what_is_still_under_way_of_an_ended_enrollment_stays(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    store.run(events([form("e", "ada@one.example", now).input()]), Mini::new()).await.unwrap();
    let picked = due(&store).await;
    store.mark(worker(1), vec![request(&picked[0], "body")]).await.unwrap();
    store.run(events([stop("s", "ada@one.example", now).input()]), Mini::new()).await.unwrap();
    fixture.elapse(DAY * 200).await;

    keep_house(&store).await;
    assert_eq!(person(&store, "ada@one.example").await.touches.len(), 1, "its answer is still to come");
    store.run(events([settle(picked[0].touch, 1, sent(), now)]), Mini::new()).await.unwrap();
    keep_house(&store).await;
    assert_eq!(
        person(&store, "ada@one.example").await.touches.len(),
        1,
        "its task is still to be taken back"
    );
    let commands = store.due_commands(take(10)).await.unwrap();
    assert_eq!(commands.len(), 1);
    store.finish_commands(vec![(commands[0].id, CommandResult::Done)]).await.unwrap();
    keep_house(&store).await;

    assert_eq!(person(&store, "ada@one.example").await.touches.len(), 0);
    assert_eq!(fixture.count("attempts").await, 0);
}
