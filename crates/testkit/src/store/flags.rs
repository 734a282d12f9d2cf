//! What stops sending.

use domain::id::{CadenceName, ConnectorName, OwnerName, Workspace};
use domain::touch::{HeldReason, TouchState};
use ports::dispatch::{Flag, FlagState, HeldTouches, Marked};

use super::dispatch::{due, enroll, request, state, worker};
use super::mini::{cadence, lane, owner};
use super::{Fixture, Mini, events, form};

/// The connectors of the suite.
fn known() -> Vec<ConnectorName> {
    vec![lane().connector]
}

pub async fn a_flag_holds_and_its_lifting_releases(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com", "bob@example.com"]).await;
    let picked = due(&store).await;
    let requests: Vec<_> = picked.iter().map(|one| request(one, "x")).collect();
    let flag = Flag::Cadence(Workspace::main(), cadence());
    store.set_flag(flag.clone(), FlagState::Stopped, "ops").await.unwrap();
    store.set_flag(flag.clone(), FlagState::Stopped, "ops again").await.unwrap();

    let marked = store.mark(worker(1), requests.clone()).await.unwrap();

    assert_eq!(marked, [Marked::Held(HeldReason::Cadence), Marked::Held(HeldReason::Cadence)]);
    assert_eq!(store.stopped().await.unwrap(), std::slice::from_ref(&flag));
    assert_eq!(due(&store).await, [], "a held touch costs no pick");
    assert_eq!(state(&store, picked[0].touch).await, TouchState::Held);
    assert_eq!(store.release(&known(), 10).await.unwrap(), 0, "the flag is still there");

    store.set_flag(flag, FlagState::Clear, "ops").await.unwrap();
    assert_eq!(
        (store.release(&known(), 1).await.unwrap(), store.release(&known(), 10).await.unwrap()),
        (1, 1)
    );
    assert_eq!(due(&store).await.len(), 2);
    assert_eq!(state(&store, picked[0].touch).await, TouchState::Scheduled);
    let marked = store.mark(worker(1), requests).await.unwrap();
    assert!(matches!(marked[..], [Marked::Yes { .. }, Marked::Yes { .. }]), "{marked:?}");
}

pub async fn every_flag_stops_what_it_names_only(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let main = Workspace::main;
    let other = Workspace::new("other").unwrap();
    let cases = [
        (Flag::All, Some(HeldReason::All)),
        (Flag::Workspace(main()), Some(HeldReason::Workspace)),
        (Flag::Workspace(other.clone()), None),
        (Flag::Connector(lane().connector), Some(HeldReason::Connector)),
        (Flag::Connector(ConnectorName::inbox()), None),
        (Flag::Owner(main(), owner()), Some(HeldReason::Owner)),
        (Flag::Owner(main(), OwnerName::new("someone else").unwrap()), None),
        (Flag::Cadence(other, cadence()), None),
        (Flag::Cadence(main(), CadenceName::new("another").unwrap()), None),
    ];
    for (place, (flag, expected)) in cases.into_iter().enumerate() {
        enroll(&store, [format!("c{place}@example.com").as_str()]).await;
        let picked = due(&store).await.remove(0);
        store.set_flag(flag.clone(), FlagState::Stopped, "ops").await.unwrap();

        let marked = store.mark(worker(1), vec![request(&picked, "x")]).await.unwrap().remove(0);

        match expected {
            Some(reason) => assert_eq!(marked, Marked::Held(reason), "{flag:?}"),
            None => assert!(matches!(marked, Marked::Yes { .. }), "{flag:?}: {marked:?}"),
        }
        store.set_flag(flag, FlagState::Clear, "ops").await.unwrap();
        store.release(&known(), 100).await.unwrap();
        for left in due(&store).await {
            store.mark(worker(1), vec![request(&left, "x")]).await.unwrap();
        }
    }
}

pub async fn every_held_touch_is_looked_at_in_turn(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let other = Workspace::new("other").unwrap();
    // What stays held comes first in every sweep: far more than one sweep looks at.
    for place in 0..60 {
        let who = format!("c{place}@example.com");
        let workspace = if place < 45 { "other" } else { "main" };
        let input = form(&format!("e{place}"), &who, now).in_workspace(workspace).input();
        store.run(events([input]), Mini::new()).await.unwrap();
    }
    let flags = [Flag::Workspace(other), Flag::Cadence(Workspace::main(), cadence())];
    for flag in &flags {
        store.set_flag(flag.clone(), FlagState::Stopped, "ops").await.unwrap();
    }
    let requests: Vec<_> = due(&store).await.iter().map(|one| request(one, "x")).collect();
    let marked = store.mark(worker(1), requests).await.unwrap();
    let of = |reason| marked.iter().filter(|one| **one == Marked::Held(reason)).count();
    assert_eq!((of(HeldReason::Workspace), of(HeldReason::Cadence)), (45, 15));

    store.set_flag(flags[1].clone(), FlagState::Clear, "ops").await.unwrap();
    let mut released = Vec::new();
    for _ in 0..10 {
        released.push(store.release(&known(), 3).await.unwrap());
    }

    assert_eq!(released.iter().sum::<usize>(), 15, "{released:?}");
    assert_eq!(due(&store).await.len(), 15);
}

pub async fn touches_of_an_unknown_connector_are_held_until_it_is_back(fixture: &impl Fixture) {
    let store = fixture.open().await;
    enroll(&store, ["ada@example.com", "bob@example.com", "cyd@example.com"]).await;
    let others = [ConnectorName::inbox()];

    assert_eq!(store.hold_strays(&known(), 10).await.unwrap(), 0, "it is configured");
    assert_eq!(store.hold_strays(&others, 2).await.unwrap(), 2);
    assert_eq!(store.hold_strays(&others, 2).await.unwrap(), 1);

    assert_eq!(due(&store).await, []);
    let held = HeldTouches { reason: HeldReason::NoConnector, lane: lane(), touches: 3 };
    assert_eq!(store.held().await.unwrap(), [held]);
    assert_eq!(store.release(&others, 10).await.unwrap(), 0, "it is still gone");
    assert_eq!(store.release(&known(), 10).await.unwrap(), 3);
    let picked = due(&store).await;
    assert_eq!(picked.len(), 3);
    assert_eq!(state(&store, picked[0].touch).await, TouchState::Scheduled);
    assert_eq!(store.held().await.unwrap(), []);
}
