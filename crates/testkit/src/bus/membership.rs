//! Groups and their members.

use ports::bus::{StartAt, Topic};

use super::BusFixture;
use super::drive::{Positions, Reader, message, one_for_each_key, publish, publish_all};

/// When a member leaves, the next one has all partitions, from the store's positions.
pub async fn the_next_member_goes_on_where_the_store_says(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let positions = Positions::default();
    let published = publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await;
    let mut first = Reader::join(&bus, "g", &[Topic::Events], &positions).await;
    for record in first.read(published.len()).await {
        positions.processed(&record);
    }

    let mut second = Reader::join(&bus, "g", &[Topic::Events], &positions).await;
    first.close().await;
    second.until_all_assigned(&bus, &[Topic::Events]).await;

    for (place, start) in &second.assigned {
        let ends_at = published.iter().filter(|position| position.partition == place.1).count();
        assert_eq!(*start, StartAt::Offset(i64::try_from(ends_at).expect("few")));
    }
    let more = publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await;
    let records = second.read(more.len()).await;
    assert!(more.iter().all(|position| records.iter().any(|record| record.position == *position)));
    second.close().await;
}

/// Each group sees everything.
pub async fn two_groups_read_independently(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let published = publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await;
    let mut one = Reader::join(&bus, "one", &[Topic::Events], &Positions::default()).await;
    let mut two = Reader::join(&bus, "two", &[Topic::Events], &Positions::default()).await;

    assert_eq!(one.read(published.len()).await.len(), two.read(published.len()).await.len());

    one.close().await;
    two.close().await;
}

/// Offsets are kept under the log's name: consumer and admin agree on it, and it outlives a reopening.
pub async fn the_cluster_has_one_lasting_name(fixture: &mut impl BusFixture) {
    let positions = Positions::default();
    let name = fixture.bus().admin.cluster().await.expect("it has a name");
    assert!(!name.is_empty());

    fixture.reopen().await;

    let bus = fixture.bus();
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &positions).await;
    assert_eq!(reader.consumer().cluster(), name);
    assert_eq!(bus.admin.cluster().await.expect("it has a name"), name);
    assert!(positions.clusters().iter().eq([&name]));
    reader.close().await;
}

/// After the answers nothing is under way.
pub async fn flushed_and_ready_after_publishing(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    bus.publisher.ready().await.expect("it is ready");

    publish(&bus, message(Topic::Events, "k", "0")).await;

    bus.publisher.flush(std::time::Duration::from_secs(1)).await.expect("nothing is under way");
    bus.publisher.ready().await.expect("it is ready");
}
