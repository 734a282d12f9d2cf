//! The outbox, and what was set aside.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::id::{Shard, Workspace};
use jiff::Timestamp;
use ports::StoreError;
use ports::bus::{CE_SEQUENCE, Message, StoredOffset, Topic};
use ports::relay::{AsideList, OutboxRow, SetAside};
use ports::unit::Advance;
use std::sync::Arc;
use uuid::Uuid;

use super::{Fixture, StorePorts};

fn message(key: &str, text: &str) -> Message {
    Message {
        topic: Topic::Outcomes,
        key: key.as_bytes().to_vec(),
        headers: [("ce_id".to_owned(), text.to_owned())].into(),
        payload: text.as_bytes().to_vec().into(),
    }
}

async fn everything(store: &Arc<dyn StorePorts>) -> Vec<(Shard, i64, String, String)> {
    let mut all = Vec::new();
    let shards: Vec<Shard> = Shard::all().collect();
    for (shard, rows) in store.heads(&shards, 1_000).await.unwrap() {
        for row in rows.unwrap() {
            let key = String::from_utf8(row.message.key).unwrap();
            all.push((shard, row.id, key, row.message.headers["ce_id"].clone()));
        }
    }
    all
}

async fn head(store: &Arc<dyn StorePorts>, shard: Shard, limit: usize) -> Vec<OutboxRow> {
    store.heads(&[shard], limit).await.unwrap().remove(&shard).unwrap().unwrap()
}

pub async fn the_outbox_keeps_the_order_of_a_key(fixture: &impl Fixture) {
    let (store, other) = (fixture.open().await, fixture.open().await);

    for round in 0..5 {
        let from = if round % 2 == 0 { &store } else { &other };
        let messages = ["a", "b", "c"].map(|key| message(key, &format!("{key}{round}")));
        from.append(messages.to_vec()).await.unwrap();
    }

    let all = everything(&store).await;
    for key in ["a", "b", "c"] {
        let mine: Vec<_> = all.iter().filter(|(_, _, held, _)| held == key).collect();
        assert_eq!(
            mine.iter().map(|(_, _, _, text)| text.clone()).collect::<Vec<_>>(),
            (0..5).map(|n| format!("{key}{n}")).collect::<Vec<_>>()
        );
        assert!(mine.iter().all(|(shard, ..)| *shard == mine[0].0), "one key, one shard");
        assert!(mine.is_sorted_by_key(|(_, id, ..)| *id));
        let mut sequences = Vec::new();
        for row in head(&store, mine[0].0, 100).await {
            if row.message.key == key.as_bytes() {
                sequences.push(row.message.headers[CE_SEQUENCE].clone());
            }
        }
        assert!(sequences.len() == 5 && sequences.is_sorted(), "and consumers can tell: {sequences:?}");
        assert!(
            sequences.iter().collect::<BTreeSet<_>>().len() == 5 && sequences[0].len() == sequences[4].len()
        );
    }
}

pub async fn what_was_acknowledged_does_not_come_again(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.append((0..4).map(|n| message("a", &n.to_string())).collect()).await.unwrap();
    let all = everything(&store).await;

    store.acknowledged(&[all[0].1, all[1].1]).await.unwrap();

    let left: Vec<String> = everything(&store).await.into_iter().map(|(.., text)| text).collect();
    assert_eq!(left, ["2", "3"]);
    assert_eq!(head(&store, all[0].0, 1).await.len(), 1);
}

pub async fn what_one_transaction_leaves_in_a_shard_is_one_row(fixture: &impl Fixture) {
    let store = fixture.open().await;
    store.append((0..1_200).map(|n| message("a", &n.to_string())).collect()).await.unwrap();

    assert_eq!(fixture.count("outbox").await, 3, "of 500 messages at most");
    let mut relayed = Vec::new();
    loop {
        let head = everything(&store).await;
        let taken: Vec<_> = head.iter().take(333).collect();
        if taken.is_empty() {
            break;
        }
        relayed.extend(taken.iter().map(|(.., text)| text.clone()));
        store.acknowledged(&taken.iter().map(|(_, id, ..)| *id).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(store.waiting().await.unwrap().outbox, 1_200 - relayed.len() as u64);
    }
    assert_eq!(relayed, (0..1_200).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(fixture.count("outbox").await, 0);
}

pub async fn only_shards_that_hold_messages_have_a_head(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let keys = ["a", "b", "c", "d", "e", "f"];
    for round in 0..3 {
        let messages = keys.map(|key| message(key, &format!("{key}{round}")));
        store.append(messages.to_vec()).await.unwrap();
    }
    let full: BTreeSet<Shard> = everything(&store).await.into_iter().map(|(shard, ..)| shard).collect();
    let (asked, left): (Vec<Shard>, Vec<Shard>) = Shard::all().partition(|shard| Some(shard) != full.first());

    let heads = store.heads(&asked, 2).await.unwrap();

    assert!(left.len() == 1 && full.len() > 2, "{full:?}");
    assert_eq!(heads.keys().copied().collect::<BTreeSet<_>>(), full.into_iter().skip(1).collect());
    for (shard, rows) in heads {
        let all = head(&store, shard, 1_000).await;
        assert_eq!(rows.unwrap(), all[..2], "the oldest ones");
    }
    assert!(store.heads(&[], 2).await.unwrap().is_empty());
}

pub async fn what_cannot_be_read_of_one_shard_is_no_trouble_of_the_others(fixture: &impl Fixture) {
    let store = fixture.open().await;
    for text in ["first", "second", "third"] {
        store.append(["a", "b"].map(|key| message(key, text)).to_vec()).await.unwrap();
    }
    let all = everything(&store).await;
    let (one, other) = (all[0].0, all[3].0);
    let second =
        format!("select o.id from outbox o where o.shard = {} order by o.id limit 1 offset 1", one.0);
    fixture.tamper(&format!("update outbox set body = substr(body, 2) where id = ({second})")).await;

    let before = store.heads(&[one, other], 10).await.unwrap();
    store.acknowledged(&[before[&one].as_ref().unwrap()[0].id]).await.unwrap();
    let heads = store.heads(&[one, other], 10).await.unwrap();

    assert_eq!(before[&one].as_ref().unwrap().len(), 1, "what came before it goes, what comes behind waits");
    assert!(matches!(heads[&one], Err(StoreError::Damaged(_))), "{heads:?}");
    assert_eq!(heads[&other].as_ref().unwrap().len(), 3);
}

pub async fn a_shard_is_leased_to_one(fixture: &impl Fixture) {
    const LENGTH: Duration = Duration::from_secs(10);
    let store = fixture.open().await;
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));

    let all = store.lease(one, 32, LENGTH).await.unwrap();
    let none = store.lease(two, 32, LENGTH).await.unwrap();
    let kept = store.lease(one, 16, LENGTH).await.unwrap();
    let rest = store.lease(two, 32, LENGTH).await.unwrap();
    fixture.elapse(Duration::from_secs(11)).await;
    let after_death = store.lease(two, 32, LENGTH).await.unwrap();

    assert_eq!((all.len(), none.len(), kept.len(), rest.len()), (32, 0, 16, 16));
    assert!(kept.iter().all(|shard| !rest.contains(shard)));
    assert_eq!(after_death.len(), 32);
}

pub async fn things_set_aside_are_shown_once(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let main = Workspace::main();
    let row = |place: &str| SetAside {
        id: 0,
        list: AsideList::Quarantine,
        workspace: Workspace::main(),
        source: "forms".to_owned(),
        code: "unknown_kind".to_owned(),
        text: "no such kind".to_owned(),
        at: Timestamp::from_second(1_800_000_000).unwrap(),
        payload: vec![1, 2],
        place: place.to_owned(),
        redriven_at: None,
    };
    let advance = |from, next| {
        let to = StoredOffset { next, last_id: None };
        Some(Advance { cluster: "log".to_owned(), topic: Topic::Quarantine, partition: 0, from, to })
    };

    store.project(vec![row("q/0/0"), row("q/0/1")], advance(None, 2)).await.unwrap();
    store.project(vec![row("q/0/1"), row("q/0/2")], None).await.unwrap();
    let zombie = store.project(vec![row("q/0/3")], advance(None, 3)).await;

    assert!(matches!(zombie, Err(StoreError::Conflict(_))), "{zombie:?}");
    let newest = store.list(AsideList::Quarantine, &main, None, 2).await.unwrap();
    assert_eq!(newest.iter().map(|one| one.place.as_str()).collect::<Vec<_>>(), ["q/0/2", "q/0/1"]);
    let older = store.list(AsideList::Quarantine, &main, Some(newest[1].id), 2).await.unwrap();
    assert_eq!(older.iter().map(|one| one.place.as_str()).collect::<Vec<_>>(), ["q/0/0"]);
    assert_eq!(store.list(AsideList::DeadLetter, &main, None, 9).await.unwrap(), []);
    let other = Workspace::new("other").unwrap();
    assert_eq!(store.find(AsideList::Quarantine, &other, newest[0].id).await.unwrap(), None);
    store.redriven(AsideList::Quarantine, &[newest[0].id]).await.unwrap();
    let found = store.find(AsideList::Quarantine, &main, newest[0].id).await.unwrap().expect("it is there");
    assert!(found.redriven_at.is_some());
    assert_eq!((found.payload, found.at), (vec![1, 2], row("").at));
}
