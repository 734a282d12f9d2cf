//! Many at once. On SQLite the one writer makes them take turns; the outcome must be the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::id::{TouchId, Workspace};
use domain::touch::TouchState;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use ports::StoreError;
use ports::dispatch::{Flag, FlagState, MarkRequest, Marked};

use super::dispatch::{budget, due, enroll, request, state, worker};
use super::{Fixture, Mini, StorePorts, events, form, stop};

/// Runs futures as tasks of their own.
async fn at_once<T: Send + 'static>(tasks: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    #[expect(clippy::disallowed_methods, reason = "a test: every task is waited for right here")]
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    join_all(tasks).await.into_iter().map(|done| done.expect("no task panics")).collect()
}

pub async fn units_on_the_same_contacts_end_with_one_contact_each(fixture: &impl Fixture) {
    const PEOPLE: usize = 40;
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let unit = move |task: usize, round: usize| {
        // Everybody in another order, so that locks taken as they come would meet crosswise.
        let people = (0..PEOPLE).map(move |n| (n * 7 + task * 11) % PEOPLE);
        let inputs = people.map(move |n| {
            form(&format!("{task}-{round}-{n}"), &format!("c{n}@firm{}.example", n % 5), now).input()
        });
        events(inputs.collect::<Vec<_>>())
    };
    let tasks = (0..6).map(|task| {
        let store = Arc::clone(&store);
        async move {
            for round in 0..3 {
                let mut tries = 0;
                loop {
                    match store.run(unit(task, round), Mini::new()).await {
                        Ok(report) => break assert_eq!(report.enrolled, PEOPLE),
                        // What the closure of a unit grew by meanwhile is found at the next try.
                        Err(StoreError::Contended(_)) if tries < 20 => tries += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
    });

    at_once(tasks.collect()).await;

    let summary = store.summary(&Workspace::main()).await.unwrap();
    assert_eq!(summary.contacts, i64::try_from(PEOPLE).unwrap());
    assert_eq!(summary.live, i64::try_from(6 * 3 * PEOPLE).unwrap());
}

pub async fn two_dispatchers_never_mark_a_touch_twice(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let people: Vec<String> = (0..200).map(|n| format!("c{n}@example.com")).collect();
    enroll(&store, people.iter().map(String::as_str)).await;
    let picked = due(&store).await;
    let tasks = (0..8_u128).map(|task| {
        let (store, picked) = (Arc::clone(&store), picked.clone());
        async move {
            let mut mine: Vec<TouchId> = Vec::new();
            for slice in picked.chunks(25) {
                let requests: Vec<MarkRequest> = slice.iter().rev().map(|one| request(one, "x")).collect();
                let marked = store.mark(worker(task + 1), requests.clone()).await.unwrap();
                let taken =
                    requests.iter().zip(marked).filter(|(_, marked)| matches!(marked, Marked::Yes { .. }));
                mine.extend(taken.map(|(request, _)| request.touch));
            }
            mine
        }
    });

    let marked: Vec<TouchId> = at_once(tasks.collect()).await.into_iter().flatten().collect();

    assert_eq!(marked.len(), 200, "each once");
    assert_eq!(marked.iter().collect::<BTreeSet<_>>().len(), 200);
}

pub async fn budgets_hold_under_concurrent_marks(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let people: Vec<String> = (0..120).map(|n| format!("c{n}@example.com")).collect();
    enroll(&store, people.iter().map(String::as_str)).await;
    let picked = due(&store).await;
    let tasks = picked.chunks(10).enumerate().map(|(task, slice)| {
        let store = Arc::clone(&store);
        let requests: Vec<MarkRequest> = slice
            .iter()
            .map(|one| MarkRequest {
                reservations: vec![budget(37, Timestamp::UNIX_EPOCH)],
                ..request(one, "x")
            })
            .collect();
        async move { store.mark(worker(task as u128 + 1), requests).await.unwrap() }
    });

    let marked: Vec<Marked> = at_once(tasks.collect()).await.into_iter().flatten().collect();

    assert_eq!(marked.iter().filter(|one| matches!(one, Marked::Yes { .. })).count(), 37);
    assert_eq!(marked.iter().filter(|one| matches!(one, Marked::Full { .. })).count(), 83);
}

pub async fn a_stop_is_seen_by_the_mark_or_sees_it(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let people: Vec<String> = (0..60).map(|n| format!("c{n}@example.com")).collect();
    enroll(&store, people.iter().map(String::as_str)).await;
    let picked = due(&store).await;
    let now = store.now().await.unwrap();
    let marks = {
        let (store, picked): (Arc<dyn StorePorts>, _) = (Arc::clone(&store), picked.clone());
        async move {
            let mut answers = Vec::new();
            for slice in picked.chunks(4) {
                let requests: Vec<MarkRequest> = slice.iter().map(|one| request(one, "x")).collect();
                answers.extend(store.mark(worker(1), requests).await.unwrap());
            }
            (answers, 0)
        }
    };
    let stops = {
        let (store, people) = (Arc::clone(&store), people.clone());
        async move {
            let mut crossed = 0;
            for slice in people.chunks(5) {
                let inputs: Vec<_> =
                    slice.iter().map(|who| stop(&format!("s {who}"), who, now).input()).collect();
                crossed += store.run(events(inputs), Mini::new()).await.unwrap().commands_queued;
            }
            (Vec::new(), crossed)
        }
    };
    let tasks: Vec<BoxFuture<'static, (Vec<Marked>, usize)>> = vec![Box::pin(marks), Box::pin(stops)];

    let mut done = at_once(tasks).await;

    let (_, crossed) = done.pop().expect("two tasks");
    let (marked, _) = done.pop().expect("two tasks");
    let going = marked.iter().filter(|one| matches!(one, Marked::Yes { .. })).count();
    assert_eq!(going, crossed, "every mark that won was seen by the stop");
    for (picked, marked) in picked.iter().zip(&marked) {
        let expected = if *marked == Marked::Lost { TouchState::Withdrawn } else { TouchState::Sending };
        assert_eq!(state(&store, picked.touch).await, expected);
    }
}

pub async fn no_mark_commits_after_a_flag(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let people: Vec<String> = (0..100).map(|n| format!("c{n}@example.com")).collect();
    enroll(&store, people.iter().map(String::as_str)).await;
    let picked = due(&store).await;
    let (tell, told) = tokio::sync::watch::channel(false);
    let marks = {
        let store = Arc::clone(&store);
        async move {
            let mut late = 0;
            for one in picked {
                // Looked at before the mark begins: from then on none may pass.
                let stopped = *told.borrow();
                let marked = store.mark(worker(1), vec![request(&one, "x")]).await.unwrap();
                late += usize::from(stopped && matches!(marked[..], [Marked::Yes { .. }]));
            }
            late
        }
    };
    let flag = {
        let store = Arc::clone(&store);
        async move {
            store.set_flag(Flag::All, FlagState::Stopped, "ops").await.unwrap();
            tell.send_replace(true);
            0
        }
    };
    let tasks: Vec<BoxFuture<'static, usize>> = vec![Box::pin(marks), Box::pin(flag)];

    let late: usize = at_once(tasks).await.into_iter().sum();

    assert_eq!(late, 0);
    assert_eq!(due(&store).await, [], "each went or is held");
}

pub async fn row_ids_never_meet(fixture: &impl Fixture) {
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(fixture.open().await);
    }
    let now = stores[0].now().await.unwrap();
    let tasks = stores.into_iter().enumerate().map(|(task, store)| async move {
        let mini = Mini::new();
        for round in 0..10 {
            let inputs = (0..5).map(|n| {
                form(&format!("{task}-{round}-{n}"), &format!("c{task}-{n}@example.com"), now).input()
            });
            store.run(events(inputs.collect::<Vec<_>>()), mini.clone()).await.unwrap();
        }
        mini.ids.lock().unwrap().clone()
    });

    let ids: Vec<i64> = at_once(tasks.collect()).await.into_iter().flatten().collect();

    assert!(ids.len() >= 3 * 10 * 5 * 2);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}
