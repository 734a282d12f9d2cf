//! Records expire, offsets do not.

use ports::bus::{StartAt, Topic};

use super::BusFixture;
use super::drive::{Positions, Reader, message, payload_of, publish};

/// What expired is gone for readers; the next offset is as if nothing had.
pub async fn expired_records_are_gone_and_their_offsets_never_come_back(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    publish(&bus, message(Topic::Events, "k", "0")).await;
    let last = publish(&bus, message(Topic::Events, "k", "1")).await;
    let kept = publish(&bus, message(Topic::Outcomes, "k", "kept")).await;

    fixture.expire(Topic::Events).await;

    let bus = fixture.bus();
    assert!(
        bus.admin
            .read(ports::bus::Position { offset: 0, ..last }, 10)
            .await
            .expect("reading works")
            .is_empty()
    );
    assert_eq!(bus.admin.read(kept, 1).await.expect("reading works").len(), 1, "other topics keep theirs");
    fixture.reopen().await;
    let bus = fixture.bus();
    let next = publish(&bus, message(Topic::Events, "k", "2")).await;
    assert_eq!((next.partition, next.offset), (last.partition, last.offset + 1));
    let states = bus.admin.partitions(Topic::Events).await.expect("the topic is there");
    let state = states.iter().find(|state| state.partition == last.partition).expect("it is there");
    assert_eq!((state.begins_at, state.ends_at), (2, 3));
}

/// A reader whose position expires under it must say so: something was missed.
pub async fn a_reader_overtaken_by_retention_stops(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let positions = Positions::default();
    let place = publish(&bus, message(Topic::Events, "k", "0")).await;
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &positions).await;
    assert_eq!(payload_of(&reader.read(1).await[0]), "0");
    reader.consumer().pause(Topic::Events, place.partition).await.expect("it is ours");
    publish(&bus, message(Topic::Events, "k", "1")).await;
    publish(&bus, message(Topic::Events, "k", "2")).await;
    reader.expect_nothing().await;

    fixture.expire(Topic::Events).await;
    publish(&bus, message(Topic::Events, "k", "3")).await;
    reader.consumer().seek(Topic::Events, place.partition, 1).await.expect("it is ours");
    reader.consumer().resume(Topic::Events, place.partition).await.expect("it is ours");

    let stopped = (Topic::Events, place.partition);
    reader.until(|reader| matches!(reader.assigned.get(&stopped), Some(StartAt::Stopped(_)))).await;
    assert!(reader.taken().is_empty(), "no later record is delivered as if nothing were missing");
    reader.close().await;
}
