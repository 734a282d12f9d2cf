//! What the dispatcher is to do at CRMs.

use std::time::Duration;

use domain::decision::CommandAction;
use domain::touch::{AttemptResult, Delivery};
use ports::dispatch::CommandResult;

use super::dispatch::{due, enroll, request, touch_of, worker};
use super::{Fixture, Mini, StorePorts, events, settle, stop};
use std::sync::Arc;

/// Sends a touch and ends its enrollment: its task is to be withdrawn.
async fn withdrawn(store: &Arc<dyn StorePorts>, who: &str) {
    enroll(store, [who]).await;
    let now = store.now().await.unwrap();
    let picked = due(store).await.remove(0);
    store.mark(worker(1), vec![request(&picked, "a")]).await.unwrap();
    let sent = AttemptResult::Sent { remote_id: Some("R-7".to_owned()), delivery: Delivery::Task };
    store.run(events([settle(picked.touch, 1, sent, now)]), Mini::new()).await.unwrap();
    store.run(events([stop(&format!("stop {who}"), who, now).input()]), Mini::new()).await.unwrap();
}

pub async fn a_command_is_given_to_one_and_leased(fixture: &impl Fixture) {
    let store = fixture.open().await;
    withdrawn(&store, "ada@example.com").await;

    let mine = store.due_commands(worker(1), 10).await.unwrap();
    let theirs = store.due_commands(worker(2), 10).await.unwrap();
    fixture.elapse(Duration::from_secs(61)).await;
    let later = store.due_commands(worker(2), 10).await.unwrap();

    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0].remote_id.as_deref(), Some("R-7"));
    assert_eq!(mine[0].action, CommandAction::Withdraw { reason: "ended".to_owned() });
    assert_eq!(mine[0].touch, touch_of(&store, "ada@example.com").await);
    assert_eq!(theirs, []);
    assert_eq!(later, mine, "its worker died");
}

pub async fn a_withdraw_waits_while_its_touch_is_sending(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let now = store.now().await.unwrap();
    let picked = due(&store).await.remove(0);
    store.mark(worker(1), vec![request(&picked, "a")]).await.unwrap();
    store.run(events([stop("s", "ada@example.com", now).input()]), Mini::new()).await.unwrap();

    let before = store.due_commands(worker(1), 10).await.unwrap();
    let sent = AttemptResult::Sent { remote_id: Some("R-7".to_owned()), delivery: Delivery::Task };
    store.run(events([settle(picked.touch, 1, sent, now)]), Mini::new()).await.unwrap();
    let after = store.due_commands(worker(1), 10).await.unwrap();

    assert_eq!(before, []);
    assert_eq!(after.iter().map(|one| one.remote_id.as_deref()).collect::<Vec<_>>(), [Some("R-7")]);
}

pub async fn an_answered_command_is_gone(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for who in ["a@example.com", "b@example.com", "c@example.com"] {
        withdrawn(&store, who).await;
    }
    let commands = store.due_commands(worker(1), 10).await.unwrap();
    assert_eq!(commands.len(), 3);
    let soon = store.now().await.unwrap().saturating_add(Duration::from_secs(5)).unwrap();

    let results = vec![
        (commands[0].id, CommandResult::Done),
        (commands[1].id, CommandResult::Again(soon, "busy".to_owned())),
        (commands[2].id, CommandResult::GivenUp("gone".to_owned())),
    ];
    store.finish_commands(results).await.unwrap();
    assert_eq!(store.due_commands(worker(1), 10).await.unwrap(), []);
    fixture.elapse(Duration::from_secs(120)).await;

    let left = store.due_commands(worker(1), 10).await.unwrap();
    assert_eq!(left.iter().map(|one| (one.id, one.tries)).collect::<Vec<_>>(), [(commands[1].id, 1)]);
}
