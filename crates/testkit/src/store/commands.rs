//! What the dispatcher is to do at CRMs.

use std::time::Duration;

use domain::decision::CommandAction;
use domain::id::{ConnectorName, Workspace};
use domain::touch::{AttemptResult, Delivery};
use ports::dispatch::{Command, CommandResult, Stray, Take};

use super::dispatch::{due, enroll, request, touch_of, worker};
use super::mini::lane;
use super::{Fixture, Mini, StorePorts, events, settle, stop};
use std::sync::Arc;

/// Commands of the suite's connector, for a minute.
pub(super) fn take(limit: usize) -> Take {
    Take { connector: lane().connector, limit, lease: Duration::from_secs(60) }
}

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

    let mine = store.due_commands(take(10)).await.unwrap();
    let theirs = store.due_commands(take(10)).await.unwrap();
    fixture.elapse(Duration::from_secs(61)).await;
    let later = store.due_commands(take(10)).await.unwrap();

    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0].remote_id.as_deref(), Some("R-7"));
    assert_eq!(mine[0].action, CommandAction::Withdraw { reason: "ended".to_owned() });
    assert_eq!(mine[0].touch, touch_of(&store, "ada@example.com").await);
    assert_eq!(theirs, []);
    // On PostgreSQL time passes for the suite by moving what is stored.
    let since = later.first().map(|one| one.since);
    let mine =
        mine.into_iter().map(|one| Command { since: since.unwrap_or(one.since), ..one }).collect::<Vec<_>>();
    assert_eq!(later, mine, "its worker died");
}

pub async fn a_withdraw_waits_while_its_touch_is_sending(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com"]).await;
    let now = store.now().await.unwrap();
    let picked = due(&store).await.remove(0);
    store.mark(worker(1), vec![request(&picked, "a")]).await.unwrap();
    store.run(events([stop("s", "ada@example.com", now).input()]), Mini::new()).await.unwrap();

    let before = store.due_commands(take(10)).await.unwrap();
    let sent = AttemptResult::Sent { remote_id: Some("R-7".to_owned()), delivery: Delivery::Task };
    store.run(events([settle(picked.touch, 1, sent, now)]), Mini::new()).await.unwrap();
    let after = store.due_commands(take(10)).await.unwrap();

    assert_eq!(before, []);
    assert_eq!(after.iter().map(|one| one.remote_id.as_deref()).collect::<Vec<_>>(), [Some("R-7")]);
}

pub async fn an_answered_command_is_gone(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for who in ["a@example.com", "b@example.com", "c@example.com"] {
        withdrawn(&store, who).await;
    }
    let commands = store.due_commands(take(10)).await.unwrap();
    assert_eq!(commands.len(), 3);
    let soon = store.now().await.unwrap().saturating_add(Duration::from_secs(5)).unwrap();

    let results = vec![
        (commands[0].id, CommandResult::Done),
        (commands[1].id, CommandResult::Again(soon, "busy".to_owned())),
        (commands[2].id, CommandResult::GivenUp("gone".to_owned())),
    ];
    store.finish_commands(results).await.unwrap();
    assert_eq!(store.due_commands(take(10)).await.unwrap(), []);
    fixture.elapse(Duration::from_secs(120)).await;

    let left = store.due_commands(take(10)).await.unwrap();
    assert_eq!(left.iter().map(|one| (one.id, one.tries)).collect::<Vec<_>>(), [(commands[1].id, 1)]);
}

pub async fn a_command_fails_since_its_first_failure(fixture: &impl Fixture) {
    let store = fixture.open().await;
    withdrawn(&store, "ada@example.com").await;
    let hour = Duration::from_secs(3600);
    let mut ages = Vec::new();

    fixture.elapse(hour).await;
    for _ in 0..3 {
        let now = store.now().await.unwrap();
        let due = store.due_commands(take(10)).await.unwrap();
        ages.push(now.duration_since(due[0].since).as_mins());
        let failed = CommandResult::Again(now, "HTTP 503".to_owned());
        store.finish_commands(vec![(due[0].id, failed)]).await.unwrap();
        fixture.elapse(hour).await;
    }

    assert_eq!(ages, [60, 60, 120], "waiting before the first failure does not count");
}

pub async fn a_withdrawal_that_was_given_up_is_listed_and_can_be_tried_again(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let main = Workspace::main();
    for who in ["a@example.com", "b@example.com"] {
        withdrawn(&store, who).await;
    }
    let commands = store.due_commands(take(10)).await.unwrap();
    let refused = CommandResult::GivenUp("HTTP 422".to_owned());
    store
        .finish_commands(vec![(commands[0].id, refused), (commands[1].id, CommandResult::Done)])
        .await
        .unwrap();

    let left = store.left_tasks(&main, 10).await.unwrap();
    let elsewhere = store.left_tasks(&Workspace::new("elsewhere").unwrap(), 10).await.unwrap();
    let key = left[0].task.touch.key;
    fixture.elapse(Duration::from_secs(60)).await;
    let done = store.command_again(&main, commands[1].key).await.unwrap();
    let again = store.command_again(&main, key).await.unwrap();
    let due = store.due_commands(take(10)).await.unwrap();

    assert_eq!((left.len(), elsewhere.len()), (1, 0));
    assert_eq!((left[0].why.as_str(), key), ("HTTP 422", commands[0].key));
    assert_eq!((done, again), (0, 1), "what was taken back is left alone");
    assert_eq!(due.iter().map(|one| (one.id, one.tries)).collect::<Vec<_>>(), [(commands[0].id, 0)]);
    let age = store.now().await.unwrap().duration_since(due[0].since);
    assert!(age.as_secs() < 60, "its day begins anew: {age:?}");
    assert_eq!(store.left_tasks(&main, 10).await.unwrap(), []);
}

pub async fn a_connector_gets_its_own_commands_only(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for who in ["a@example.com", "b@example.com", "c@example.com"] {
        withdrawn(&store, who).await;
    }

    let theirs = store.due_commands(Take { connector: ConnectorName::inbox(), ..take(10) }).await.unwrap();
    let none = store.due_commands(take(0)).await.unwrap();
    let one = store.due_commands(take(1)).await.unwrap();
    let rest = store.due_commands(take(10)).await.unwrap();

    assert_eq!((theirs.len(), none.len(), one.len(), rest.len()), (0, 0, 1, 2));
    assert!(one[0].id < rest[0].id, "the oldest first");
}

pub async fn having_been_told_to_wait_is_no_try(fixture: &impl Fixture) {
    let store = fixture.open().await;
    withdrawn(&store, "ada@example.com").await;
    let now = store.now().await.unwrap();
    let due = store.due_commands(take(10)).await.unwrap().remove(0);

    store.finish_commands(vec![(due.id, CommandResult::Wait(now, "busy".to_owned()))]).await.unwrap();
    let waited = store.due_commands(take(10)).await.unwrap().remove(0);
    store.finish_commands(vec![(due.id, CommandResult::Again(now, "error".to_owned()))]).await.unwrap();
    let failed = store.due_commands(take(10)).await.unwrap().remove(0);

    assert_eq!((due.tries, waited.tries, failed.tries), (0, 0, 1));
}

pub async fn commands_of_an_unknown_connector_say_so_and_are_given_up_at_last(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for who in ["a@example.com", "b@example.com"] {
        withdrawn(&store, who).await;
    }
    let stray = Stray { patience: Duration::from_hours(24), slice: 1 };
    let (others, known) = ([ConnectorName::inbox()], [lane().connector]);

    assert_eq!(store.stray_commands(&known, stray).await.unwrap(), 0, "it is configured");
    assert_eq!(store.stray_commands(&others, stray).await.unwrap(), 1);
    assert_eq!(store.stray_commands(&others, stray).await.unwrap(), 1);
    assert_eq!(store.stray_commands(&others, stray).await.unwrap(), 0, "both say so");
    let back = store.due_commands(take(10)).await.unwrap();
    fixture.elapse(Duration::from_hours(25)).await;
    let given_up = store.stray_commands(&others, Stray { slice: 10, ..stray }).await.unwrap();

    assert_eq!((back.len(), given_up), (2, 2), "they go on when it is back, and not for ever");
    assert_eq!(store.due_commands(take(10)).await.unwrap(), []);
}
