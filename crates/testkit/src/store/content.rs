//! Stored texts.

use std::sync::Arc;

use domain::id::Workspace;
use ports::content::{Activation, Applied, DocumentKind, NewDocument};

use super::{Fixture, Mini, events, form};

fn text(name: &str, text: &str) -> NewDocument {
    let (name, text) = (name.to_owned(), text.to_owned());
    NewDocument { workspace: Workspace::main(), kind: DocumentKind::Cadence, name, text }
}

pub async fn an_unchanged_text_makes_no_version(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let epoch = store.epoch().await.unwrap();

    let first = store.apply(vec![text("a", "1"), text("b", "1")], Activation::Activate, "cli").await.unwrap();
    let after_first = store.epoch().await.unwrap();
    let again = store.apply(vec![text("a", "1"), text("b", "1")], Activation::Activate, "cli").await.unwrap();
    let after_again = store.epoch().await.unwrap();
    let changed =
        store.apply(vec![text("a", "1"), text("b", "2")], Activation::Activate, "cli").await.unwrap();

    assert!(
        matches!(first[..], [Applied::Version { number: 1, .. }, Applied::Version { number: 1, .. }]),
        "{first:?}"
    );
    assert_eq!(after_first, epoch + 1);
    assert_eq!(again, [Applied::Unchanged, Applied::Unchanged]);
    assert_eq!(after_again, after_first);
    assert!(matches!(changed[..], [Applied::Unchanged, Applied::Version { number: 2, .. }]), "{changed:?}");
    let current = store.current(&Workspace::main()).await.unwrap();
    assert_eq!(
        current.iter().map(|one| (one.name.as_str(), one.text.as_str())).collect::<Vec<_>>(),
        [("a", "1"), ("b", "2")]
    );
    assert_eq!(store.current(&Workspace::new("other").unwrap()).await.unwrap(), []);
}

pub async fn a_draft_is_not_in_force(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.apply(vec![text("a", "1")], Activation::Activate, "cli").await.unwrap();
    let epoch = store.epoch().await.unwrap();

    let draft = store.apply(vec![text("a", "2")], Activation::Draft, "cli").await.unwrap();
    let (_, in_force) = store.in_force().await.unwrap();
    let unchanged_epoch = store.epoch().await.unwrap();
    let activated = store.apply(vec![text("a", "2")], Activation::Activate, "cli").await.unwrap();

    let [Applied::Draft { version, number: 2 }] = draft[..] else { panic!("{draft:?}") };
    assert_eq!(in_force.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), ["1"]);
    assert_eq!(unchanged_epoch, epoch);
    assert_eq!(activated, [Applied::Version { version, number: 2 }]);
}

pub async fn a_version_with_live_enrollments_stays_in_force(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let first = store.apply(vec![text("inbound", "1")], Activation::Activate, "cli").await.unwrap();
    let [Applied::Version { version, .. }] = first[..] else { panic!("{first:?}") };
    let mini = Arc::new(Mini { version: version.0, ..Mini::default() });
    store.run(events([form("e1", "ada@example.com", now).input()]), mini).await.unwrap();
    for next in ["2", "3", "4", "5"] {
        store.apply(vec![text("inbound", next)], Activation::Activate, "cli").await.unwrap();
    }

    let (_, running) = store.in_force().await.unwrap();
    store.run(events([super::stop("e2", "ada@example.com", now).input()]), Mini::new()).await.unwrap();
    let (epoch, ended) = store.in_force().await.unwrap();

    assert_eq!(
        running.iter().map(|one| (one.text.as_str(), one.current)).collect::<Vec<_>>(),
        [("1", false), ("2", false), ("3", false), ("4", false), ("5", true)]
    );
    // The last superseded ones stay: a batch that began under one of them may still commit its first enrollment.
    assert_eq!(ended.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), ["2", "3", "4", "5"]);
    assert_eq!(epoch, store.epoch().await.unwrap());
}
