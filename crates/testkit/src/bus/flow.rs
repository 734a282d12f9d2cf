//! Back-pressure, going back, waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ports::bus::{BusError, Topic};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::BusFixture;
use super::drive::{Positions, Reader, message, one_for_each_key, payload_of, publish, publish_all};

/// Pausing holds one partition back, resuming delivers what came meanwhile.
pub async fn a_paused_partition_waits_and_the_others_go_on(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;
    let first = publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await;
    reader.read(first.len()).await;
    let held = first[0].partition;
    let in_held = first.iter().filter(|position| position.partition == held).count();

    reader.consumer().pause(Topic::Events, held).await.expect("it is ours");
    publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await;

    let others = reader.read(first.len() - in_held).await;
    assert!(others.iter().all(|record| record.position.partition != held));
    reader.expect_nothing().await;

    reader.consumer().resume(Topic::Events, held).await.expect("it is ours");
    let waited = reader.read(in_held).await;
    assert!(waited.iter().all(|record| record.position.partition == held));
    assert!(matches!(reader.consumer().pause(Topic::Outcomes, 0).await, Err(BusError::Rejected(_))));
    reader.close().await;
}

/// After a failed compare-and-set a partition is read again from an earlier offset, or from a later one.
pub async fn seeking_back_delivers_again_and_on_skips(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;
    let mut partition = 0;
    for number in 0..6 {
        partition = publish(&bus, message(Topic::Events, "k", &number.to_string())).await.partition;
    }
    reader.read(6).await;

    reader.consumer().seek(Topic::Events, partition, 2).await.expect("it is ours");
    let again: Vec<String> = reader.read(4).await.iter().map(payload_of).collect();
    assert_eq!(again, ["2", "3", "4", "5"]);

    reader.consumer().seek(Topic::Events, partition, 5).await.expect("it is ours");
    assert_eq!(payload_of(&reader.read(1).await[0]), "5");

    reader.consumer().pause(Topic::Events, partition).await.expect("it is ours");
    reader.consumer().seek(Topic::Events, partition, 4).await.expect("it is ours");
    reader.expect_nothing().await;
    reader.consumer().resume(Topic::Events, partition).await.expect("it is ours");
    let paused: Vec<String> = reader.read(2).await.iter().map(payload_of).collect();
    assert_eq!(paused, ["4", "5"]);
    reader.close().await;
}

/// Whatever a consumer has read ahead of what it delivered: a partition that is paused or sought elsewhere is so at once.
pub async fn what_was_read_ahead_does_not_outlast_a_pause_or_a_seek(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let mut published = Vec::new();
    for _ in 0..2 {
        published.extend(publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await);
    }
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;

    let mut first = Vec::new();
    while first.is_empty() {
        reader.step(published.len(), Duration::from_secs(1)).await.expect("the bus is there");
        first = reader.taken();
    }
    let mut others: BTreeSet<i32> = published.iter().map(|position| position.partition).collect();
    others.retain(|other| first.iter().all(|record| record.position.partition != *other));
    let mut others = others.into_iter();
    let (paused, sought) = (others.next().expect("a second one"), others.next().expect("a third one"));
    reader.consumer().pause(Topic::Events, paused).await.expect("it is ours");
    reader.consumer().seek(Topic::Events, sought, 1).await.expect("it is ours");

    let held = published.iter().filter(|position| position.partition == paused).count();
    let rest = reader.read(published.len() - first.len() - held - 1).await;
    let places: Vec<(i32, i64)> =
        rest.iter().map(|record| (record.position.partition, record.position.offset)).collect();
    assert!(places.iter().all(|(partition, _)| *partition != paused), "{places:?}");
    assert!(!places.contains(&(sought, 0)) && places.contains(&(sought, 1)), "{places:?}");
    reader.expect_nothing().await;
    reader.close().await;
}

/// Delivered is not processed: only the store's position counts.
pub async fn what_was_not_stored_is_delivered_again(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let positions = Positions::default();
    for number in 0..4 {
        publish(&bus, message(Topic::Events, "k", &number.to_string())).await;
    }
    let mut reader = Reader::join(&bus, "g", &[Topic::Events], &positions).await;
    let records = reader.read(4).await;
    positions.processed(&records[1]);
    // The group is told more than was stored: it must not count.
    let partition = records[3].position.partition;
    reader.consumer().note_progress(Topic::Events, partition, 4).await.expect("it is ours");
    reader.close().await;

    let mut next = Reader::join(&bus, "g", &[Topic::Events], &positions).await;

    let again: Vec<String> = next.read(2).await.iter().map(payload_of).collect();
    assert_eq!(again, ["2", "3"]);
    next.close().await;
}

/// A caller may drop the future of `next` at any time, as `select!` does.
pub async fn a_wait_given_up_loses_nothing(fixture: &mut impl BusFixture) {
    const COUNT: usize = 300;
    let bus = fixture.bus();
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;
    let mut publisher = JoinSet::new();
    publisher.spawn({
        let bus = bus.clone();
        async move {
            for number in 0..COUNT {
                publish(&bus, message(Topic::Events, "k", &number.to_string())).await;
            }
        }
    });

    let mut read = Vec::new();
    for round in 0_u64.. {
        if read.len() >= COUNT {
            break;
        }
        assert!(round < 200_000, "only {} of {COUNT} came", read.len());
        let impatient = Duration::from_micros(50 * (round % 40));
        if let Ok(step) = timeout(impatient, reader.step(7, Duration::from_secs(5))).await {
            step.expect("reading works");
        }
        read.extend(reader.taken());
    }

    publisher.join_all().await;
    let numbers: Vec<String> = read.iter().map(payload_of).collect();
    assert!(numbers.iter().cloned().eq((0..COUNT).map(|number| number.to_string())), "{numbers:?}");
    reader.close().await;
}

/// A waiting consumer is woken, not polled at the end of its wait.
pub async fn new_records_end_a_wait(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;
    reader.expect_nothing().await;

    let (step, _) = tokio::join!(
        timeout(Duration::from_secs(10), reader.step(10, Duration::from_secs(60))),
        publish(&bus, message(Topic::Events, "k", "0"))
    );

    assert_eq!(step.expect("it is woken").expect("reading works"), Some(1));
    reader.close().await;
}

/// `max` bounds each delivery.
pub async fn batches_are_no_larger_than_asked(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let all: Vec<_> = (0..50).map(|number| message(Topic::Events, "k", &number.to_string())).collect();
    publish_all(&*bus.publisher, all).await;
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;

    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 50 {
        sizes.extend(reader.step(8, Duration::from_secs(20)).await.expect("reading works"));
    }

    assert!(sizes.iter().all(|size| *size <= 8), "{sizes:?}");
    let numbers: Vec<String> = reader.taken().iter().map(payload_of).collect();
    assert!(numbers.iter().cloned().eq((0..50).map(|number| number.to_string())), "{numbers:?}");
    reader.close().await;
}

/// Progress is for tools: noted for what is ours, passed over for what is no more.
pub async fn progress_can_be_noted(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let place = publish(&bus, message(Topic::Events, "k", "0")).await;
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;
    reader.read(1).await;

    reader.consumer().note_progress(Topic::Events, place.partition, 1).await.expect("it is ours");
    reader.consumer().note_progress(Topic::Outcomes, 0, 1).await.expect("what is not ours is passed over");
    reader.close().await;
}

/// What was noted outlives consumer and process, and is the group's own.
pub async fn what_was_noted_can_be_read_and_lasts(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    publish(&bus, message(Topic::Events, "k", "0")).await;
    let place = publish(&bus, message(Topic::Events, "k", "1")).await;
    assert_eq!(noted(fixture, "g").await, BTreeMap::new());
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;
    reader.read(2).await;
    reader.consumer().note_progress(Topic::Events, place.partition, 1).await.expect("it is ours");
    reader.consumer().note_progress(Topic::Events, place.partition, 2).await.expect("it is ours");
    reader.close().await;

    drop(bus);
    fixture.reopen().await;

    assert_eq!(noted(fixture, "g").await, BTreeMap::from([(place.partition, 2)]));
    assert_eq!(noted(fixture, "another").await, BTreeMap::new());
    let elsewhere = fixture.bus().consumers.noted("g", Topic::Outcomes).await.expect("it can be read");
    assert_eq!(elsewhere, BTreeMap::new());
}

/// The last word counts, not the furthest: a store that was restored goes back.
pub async fn a_group_can_be_told_of_an_earlier_place(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    publish(&bus, message(Topic::Events, "k", "0")).await;
    let place = publish(&bus, message(Topic::Events, "k", "1")).await;
    for next in [2, 1] {
        let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;
        reader.consumer().note_progress(Topic::Events, place.partition, next).await.expect("it is ours");
        reader.close().await;

        assert_eq!(noted(fixture, "g").await, BTreeMap::from([(place.partition, next)]));
    }
}

async fn noted(fixture: &impl BusFixture, group: &str) -> BTreeMap<i32, i64> {
    fixture.bus().consumers.noted(group, Topic::Events).await.expect("it can be read")
}
