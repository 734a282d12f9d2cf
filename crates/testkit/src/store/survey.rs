//! How much waits.

use domain::id::Workspace;
use jiff::Timestamp;
use ports::bus::{Message, Topic};
use ports::relay::{AsideList, SetAside};

use super::Fixture;
use super::dispatch::{due, enroll};

fn aside(list: AsideList, place: &str) -> SetAside {
    SetAside {
        id: 0,
        list,
        workspace: Workspace::main(),
        source: "forms".to_owned(),
        code: "unknown_kind".to_owned(),
        text: "no such kind".to_owned(),
        at: Timestamp::from_second(1_800_000_000).unwrap(),
        payload: vec![1],
        place: place.to_owned(),
        redriven_at: None,
    }
}

pub async fn what_waits_is_counted(fixture: &impl Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.waiting().await.unwrap(), ports::survey::Waiting::default());

    enroll(&store, ["a@example.com", "b@example.com", "c@example.com"]).await;
    let letter = |key: &str| Message {
        topic: Topic::Outcomes,
        key: key.as_bytes().to_vec(),
        headers: [("ce_id".to_owned(), key.to_owned())].into(),
        payload: Vec::new().into(),
    };
    let before = store.waiting().await.unwrap().outbox;
    store.append(vec![letter("a"), letter("b")]).await.unwrap();
    let rows = ["q/0/1", "q/0/2", "q/0/3"].map(|place| aside(AsideList::Quarantine, place));
    store.project(rows.to_vec(), None).await.unwrap();
    store.project(vec![aside(AsideList::DeadLetter, "d/0/1")], None).await.unwrap();
    let listed = store.list(AsideList::Quarantine, &Workspace::main(), None, 10).await.unwrap();
    store.redriven(AsideList::Quarantine, &[listed[0].id]).await.unwrap();

    let waiting = store.waiting().await.unwrap();
    assert_eq!((waiting.outbox, waiting.quarantine, waiting.dead_letters), (before + 2, 2, 1));
    assert_eq!(waiting.due, 3);
    assert_eq!(waiting.oldest_due, due(&store).await.first().map(|picked| picked.due_at));
}
