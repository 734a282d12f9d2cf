//! What an input touches beyond what it names.

use std::sync::Arc;

use domain::id::Workspace;
use domain::identity::{CrmId, HashKey, HashKeys, IdentityKind};
use ports::StoreError;
use ports::unit::{Admitted, Fold, FoldError, Reach};

use super::mini::catalog;
use super::{Fixture, Mini, enrolled, events, form, keys};

pub async fn an_account_wide_event_reaches_its_siblings(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let people =
        ["ada@firm.example", "bob@firm.example", "cy@firm.example", "dot@other.example", "ed@gmail.com"];
    let inputs = people.iter().map(|who| form(who, who, now).input());
    store.run(events(inputs), Mini::new()).await.unwrap();
    let (narrow, wide) = (Mini::new(), Arc::new(Mini { wide: true, ..Mini::default() }));

    store.run(events([form("n", "ada@firm.example", now).input()]), narrow.clone()).await.unwrap();
    store.run(events([form("w", "ada@firm.example", now).input()]), wide.clone()).await.unwrap();

    assert_eq!((narrow.held().contacts, narrow.held().accounts), (1, 1));
    assert_eq!((wide.held().contacts, wide.held().accounts), (3, 1));
    assert_eq!(wide.held().enrollments, 4, "ada has two by now");
}

/// Merges the first contact of the world into the second.
struct Merge;

impl Fold for Merge {
    fn catalog(&self) -> Arc<domain::catalog::Catalog> {
        catalog()
    }

    fn reach(&self, _event: &domain::input::EventInput) -> Reach {
        Reach::Contact
    }

    fn fold(&self, world: &mut domain::world::World, _inputs: &[Admitted]) -> Result<(), FoldError> {
        let ids: Vec<_> = world.contacts.iter().map(|(id, _)| *id).collect();
        let [gone, stays] = ids[..] else {
            return Err(FoldError::Input("two contacts were expected".to_owned()));
        };
        if let Some(contact) = world.contacts.get_mut(&gone) {
            contact.merged_into = Some(stays);
        }
        Ok(())
    }
}

pub async fn an_alias_leads_to_the_contact_that_stayed(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let both = || ["ada@one.example", "ada@two.example"];
    store.run(events(both().map(|who| form(who, who, now).input())), Mini::new()).await.unwrap();
    store
        .run(events(both().map(|who| form(&format!("m{who}"), who, now).input())), Arc::new(Merge))
        .await
        .unwrap();
    let mini = Mini::new();

    store.run(events([form("e3", "ada@one.example", now).input()]), mini.clone()).await.unwrap();

    assert_eq!(mini.held().contacts, 2, "the alias and the one that stayed");
    assert_eq!(mini.held().enrollments, 2, "of both");
    let key = |who| keys().key(&Workspace::main(), IdentityKind::Email, who);
    let found = store.contact_by_identity(&key("ada@one.example")).await.unwrap();
    assert_eq!(found, store.contact_by_identity(&key("ada@two.example")).await.unwrap());
}

pub async fn a_contact_brings_its_other_identities(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let mut known = form("e1", "ada@example.com", now);
    known.event.subject.crm_ids = vec![CrmId::new("101").unwrap(), CrmId::new("hubspot:7").unwrap()];
    store.run(events([known.input()]), Mini::new()).await.unwrap();
    let mini = Mini::new();

    store.run(events([form("e2", "ada@example.com", now).input()]), mini.clone()).await.unwrap();

    // Two CRM ids, the address, and the account's domain.
    assert_eq!(mini.held().identities, 4);
}

pub async fn an_older_secret_still_finds_its_identities(fixture: &impl Fixture) {
    let old = fixture.open().await;
    let now = old.now().await.unwrap();
    let first = form("e1", "ada@example.com", now);
    let uid = enrolled(&first.event);
    old.run(events([first.input()]), Mini::new()).await.unwrap();
    let contact = old.enrollment(&Workspace::main(), uid).await.unwrap().expect("it was enrolled").contact;
    let rotated = HashKeys::new(HashKey::new([9; 32]), vec![HashKey::new([7; 32])]);
    let store = fixture.open_with(rotated).await.unwrap();
    let second = form("e2", "ada@example.com", now);
    let uid = enrolled(&second.event);

    store
        .run(events([second.input(), form("e3", "bob@example.com", now).input()]), Mini::new())
        .await
        .unwrap();

    let again = store.enrollment(&Workspace::main(), uid).await.unwrap().expect("it was enrolled").contact;
    assert_eq!(again, contact);
    let under_new = HashKeys::new(HashKey::new([9; 32]), Vec::new());
    let bob = under_new.key(&Workspace::main(), IdentityKind::Email, "bob@example.com");
    assert!(
        store.contact_by_identity(&bob).await.unwrap().is_some(),
        "new identities are under the current secret"
    );
}

pub async fn an_unknown_secret_is_refused(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.check_keys().await.unwrap();

    let refused = fixture.open_with(HashKeys::new(HashKey::new([8; 32]), Vec::new())).await;

    assert!(matches!(refused.err(), Some(StoreError::Inconsistent(_))));
}
