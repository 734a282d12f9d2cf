//! Where reading starts, and where it does not.

use ports::bus::{StartAt, Topic};

use super::BusFixture;
use super::drive::{Positions, Reader, message, one_for_each_key, payload_of, publish, publish_all};

fn stopped(start: Option<&StartAt>) -> bool {
    matches!(start, Some(StartAt::Stopped(why)) if !why.is_empty())
}

/// Without a stored offset, from 0, where the log begins at 0.
pub async fn a_fresh_log_is_read_from_its_beginning(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let published = publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await;

    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;

    assert!(reader.assigned.values().all(|start| *start == StartAt::Offset(0)));
    assert_eq!(reader.read(published.len()).await.len(), published.len());
    reader.close().await;
}

/// At the stored offset, whatever was delivered before.
pub async fn reading_starts_where_the_store_says(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let positions = Positions::default();
    let mut place = None;
    for number in 0..10 {
        place = Some(publish(&bus, message(Topic::Events, "k", &number.to_string())).await);
    }
    let partition = place.expect("ten were published").partition;
    positions.set(Topic::Events, partition, 6, Some("5"));

    let mut reader = Reader::join(&bus, "g", &[Topic::Events], &positions).await;

    let payloads: Vec<String> = reader.read(4).await.iter().map(payload_of).collect();
    assert_eq!(payloads, ["6", "7", "8", "9"]);
    assert_eq!(reader.assigned.get(&(Topic::Events, partition)), Some(&StartAt::Offset(6)));
    reader.close().await;
}

/// Beyond the end: another log, or a lost one. Never an automatic reset.
pub async fn an_offset_outside_of_the_log_stops_the_partition(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let positions = Positions::default();
    let place = publish(&bus, message(Topic::Events, "k", "0")).await;
    positions.set(Topic::Events, place.partition, 2, None);

    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &positions).await;

    assert!(stopped(reader.assigned.get(&(Topic::Events, place.partition))), "{:?}", reader.assigned);
    publish(&bus, message(Topic::Events, "k", "1")).await;
    publish(&bus, message(Topic::Events, "k", "2")).await;
    reader.expect_nothing().await;
    reader.close().await;
}

/// `drumbeat offsets set` is noticed without a restart.
pub async fn a_stopped_partition_goes_on_once_a_person_has_decided(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let positions = Positions::default();
    let place = publish(&bus, message(Topic::Events, "k", "0")).await;
    publish(&bus, message(Topic::Events, "k", "1")).await;
    positions.set(Topic::Events, place.partition, 99, None);
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &positions).await;
    reader.expect_nothing().await;

    positions.set(Topic::Events, place.partition, 1, None);

    assert_eq!(payload_of(&reader.read(1).await[0]), "1");
    assert_eq!(reader.assigned.get(&(Topic::Events, place.partition)), Some(&StartAt::Offset(1)));
    reader.close().await;
}

/// Another record before the stored offset: the log was made anew.
pub async fn another_record_before_the_offset_stops_only_that_partition(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let positions = Positions::default();
    let published = publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await;
    let wrong = published[0].partition;
    let elsewhere = published.iter().filter(|position| position.partition != wrong).count();
    positions.set(Topic::Events, wrong, 1, Some("another record"));

    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &positions).await;

    for ((_, partition), start) in &reader.assigned {
        assert_eq!(stopped(Some(start)), *partition == wrong, "partition {partition}: {start:?}");
    }
    let records = reader.read(elsewhere).await;
    assert!(records.iter().all(|record| record.position.partition != wrong));
    reader.expect_nothing().await;
    reader.close().await;
}

/// No stored offset and records gone: something may have been missed.
pub async fn a_truncated_log_without_a_stored_offset_stops(fixture: &mut impl BusFixture) {
    let place = publish(&fixture.bus(), message(Topic::Events, "k", "0")).await;
    fixture.expire(Topic::Events).await;
    let bus = fixture.bus();
    publish(&bus, message(Topic::Events, "k", "1")).await;

    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;

    assert!(stopped(reader.assigned.get(&(Topic::Events, place.partition))));
    reader.expect_nothing().await;
    reader.close().await;
}

/// The record before the offset has expired and cannot be compared: all later ones are there.
pub async fn an_expired_record_before_the_offset_does_not_stop(fixture: &mut impl BusFixture) {
    let place = publish(&fixture.bus(), message(Topic::Events, "k", "0")).await;
    fixture.expire(Topic::Events).await;
    let bus = fixture.bus();
    publish(&bus, message(Topic::Events, "k", "1")).await;
    let positions = Positions::default();
    positions.set(Topic::Events, place.partition, 1, Some("0"));

    let mut reader = Reader::join(&bus, "g", &[Topic::Events], &positions).await;

    assert_eq!(payload_of(&reader.read(1).await[0]), "1");
    reader.close().await;
}

/// Positions unknown: nothing is read, and nothing lost once they are known.
pub async fn nothing_is_delivered_while_the_store_is_away(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let published = publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await;
    let positions = Positions::default();
    positions.leave();
    let mut reader = Reader::join(&bus, "g", &[Topic::Events], &positions).await;
    reader.expect_unavailable().await;
    reader.expect_unavailable().await;
    assert!(reader.assigned.is_empty());

    positions.come_back();

    assert_eq!(reader.read(published.len()).await.len(), published.len());
    reader.close().await;
}

/// A shutdown does not wait for a store.
pub async fn leaving_while_the_store_is_away_takes_no_time(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let positions = Positions::default();
    positions.leave();
    let mut reader = Reader::join(&bus, "g", &[Topic::Events], &positions).await;
    reader.expect_unavailable().await;

    reader.close().await;

    positions.come_back();
    let mut next = Reader::join_fully(&bus, "g", &[Topic::Events], &positions).await;
    publish(&bus, message(Topic::Events, "k", "0")).await;
    assert_eq!(next.read(1).await.len(), 1);
    next.close().await;
}
