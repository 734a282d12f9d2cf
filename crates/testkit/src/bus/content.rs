//! What was published is what is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ports::bus::{BusError, Message, Position, Topic};
use tokio::task::JoinSet;

use super::drive::{
    Positions, Reader, keys, message, message_of, one_for_each_key, payload_of, publish, publish_all,
};
use super::{Bus, BusFixture};

async fn read_all(bus: &Bus, topics: &[Topic], count: usize) -> Vec<ports::bus::Record> {
    let mut reader = Reader::join(bus, "all", topics, &Positions::default()).await;
    let records = reader.read(count).await;
    reader.close().await;
    records
}

/// An answer names topic, partition and offset; what lies there is the message.
pub async fn an_answer_says_where_each_message_is(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let messages = one_for_each_key(Topic::Events);

    let positions = publish_all(&*bus.publisher, messages.clone()).await;

    for (position, sent) in positions.iter().zip(&messages) {
        let found = bus.admin.read(*position, 1).await.expect("reading works");
        assert_eq!(found[0].position, *position);
        assert_eq!(found[0].payload, sent.payload);
    }
    let partitions: BTreeSet<i32> = positions.iter().map(|position| position.partition).collect();
    assert!(partitions.len() > 1, "keys are spread over partitions");
}

/// Records of one key come in the order of publishing, over many calls.
pub async fn order_is_kept_for_each_key(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    for round in 0..5 {
        let messages: Vec<Message> =
            keys().iter().map(|key| message(Topic::Events, key, &format!("{round}"))).collect();
        publish_all(&*bus.publisher, messages).await;
    }

    let records = read_all(&bus, &[Topic::Events], 5 * keys().len()).await;

    let mut rounds: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for record in &records {
        rounds.entry(record.key.clone()).or_default().push(payload_of(record));
    }
    assert_eq!(rounds.len(), keys().len());
    assert!(rounds.values().all(|rounds| rounds.iter().eq(&["0", "1", "2", "3", "4"])), "{rounds:?}");
}

/// Nothing is added, lost, re-encoded or cut.
pub async fn key_headers_and_payload_come_back_byte_for_byte(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let all_bytes: Vec<u8> = (0..=255).collect();
    let headers = BTreeMap::from([
        ("ce_id".to_owned(), "Ünï✓".to_owned()),
        ("content-type".to_owned(), String::new()),
        ("traceparent".to_owned(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    ]);
    let full = Message { topic: Topic::Events, key: all_bytes.clone(), headers, payload: all_bytes.into() };
    let empty =
        Message { topic: Topic::Events, key: b"k".to_vec(), headers: BTreeMap::new(), payload: Bytes::new() };
    for sent in [full, empty] {
        let position = publish(&bus, sent.clone()).await;

        let found = bus.admin.read(position, 1).await.expect("reading works");

        assert_eq!(
            (&found[0].key, &found[0].headers, &found[0].payload),
            (&sent.key, &sent.headers, &sent.payload)
        );
    }
    let records = read_all(&bus, &[Topic::Events], 2).await;
    assert!(records.iter().any(|record| record.headers.len() == 3 && record.payload.len() == 256));
}

/// A topic has its own offsets, and a consumer of two reads both.
pub async fn two_topics_are_kept_apart(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let first = publish(&bus, message(Topic::Events, "k", "event")).await;
    let second = publish(&bus, message(Topic::Quarantine, "k", "quarantined")).await;
    assert_eq!((first.offset, second.offset), (0, 0));

    let only = read_all(&bus, &[Topic::Quarantine], 1).await;
    let both = read_all(&bus, &[Topic::Events, Topic::Quarantine], 2).await;

    assert_eq!((only[0].position.topic, payload_of(&only[0]).as_str()), (Topic::Quarantine, "quarantined"));
    let topics: BTreeSet<Topic> = both.iter().map(|record| record.position.topic).collect();
    assert_eq!(topics, BTreeSet::from([Topic::Events, Topic::Quarantine]));
}

/// Every answer is a place of its own, and the places leave no hole.
pub async fn many_publishers_at_once_lose_nothing(fixture: &mut impl BusFixture) {
    const PUBLISHERS: usize = 32;
    const CALLS: usize = 20;
    let bus = fixture.bus();
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let bus = Arc::clone(&bus.publisher);
        publishers.spawn(async move {
            let mut positions = Vec::new();
            for call in 0..CALLS {
                let key = format!("main:{publisher}");
                let pair = vec![
                    message(Topic::Events, &key, &format!("{publisher}/{call}/a")),
                    message(Topic::Events, &key, &format!("{publisher}/{call}/b")),
                ];
                positions.extend(publish_all(&*bus, pair).await);
            }
            positions
        });
    }

    let positions: Vec<Position> = publishers.join_all().await.into_iter().flatten().collect();

    let mut ends: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    for position in &positions {
        assert!(
            ends.entry(position.partition).or_default().insert(position.offset),
            "{position:?} was given twice"
        );
    }
    for (partition, offsets) in ends {
        let count = i64::try_from(offsets.len()).expect("few");
        assert!(offsets.into_iter().eq(0..count), "partition {partition} has no hole");
    }
    let records = read_all(&bus, &[Topic::Events], 2 * PUBLISHERS * CALLS).await;
    let payloads: BTreeSet<String> = records.iter().map(payload_of).collect();
    assert_eq!(payloads.len(), 2 * PUBLISHERS * CALLS);
}

/// The limit is of key, headers and payload together.
pub async fn a_message_up_to_the_limit_is_taken_and_a_larger_one_rejected(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let sized = |payload: usize| {
        // Random-looking, so that compression does not make it small.
        let mut state = 1_u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(payload)
        .collect();
        message_of(Topic::Events, "k", "x", bytes.into())
    };
    let around = "k".len() + "ce_id".len() + "x".len();
    let largest = sized(fixture.max_message_bytes() - around);

    let position = publish(&bus, largest.clone()).await;
    let refused = bus.publisher.publish(vec![sized(fixture.max_message_bytes() - around + 1)]).await;

    assert!(matches!(refused.as_slice(), [Err(BusError::Rejected(_))]), "{refused:?}");
    let found = bus.admin.read(position, 1).await.expect("reading works");
    assert!(found[0].payload == largest.payload, "the large message comes back whole");
    let records = read_all(&bus, &[Topic::Events], 1).await;
    assert!(records[0].payload == largest.payload, "the large message is delivered whole");
}

/// The others are taken, and the answers stay in the order of the messages.
pub async fn a_rejected_message_does_not_keep_others_of_its_call(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let big = message_of(Topic::Events, "k", "big", vec![0; fixture.max_message_bytes() + 1].into());
    let call = vec![message(Topic::Events, "k", "one"), big, message(Topic::Events, "k", "two")];

    let answers = bus.publisher.publish(call).await;

    assert!(matches!(answers.as_slice(), [Ok(_), Err(BusError::Rejected(_)), Ok(_)]), "{answers:?}");
    let payloads: Vec<String> = read_all(&bus, &[Topic::Events], 2).await.iter().map(payload_of).collect();
    assert_eq!(payloads, ["one", "two"]);
    assert!(bus.publisher.publish(Vec::new()).await.is_empty(), "nothing published has no answer");
}

/// Durable means that it outlives the process's handles.
pub async fn what_was_answered_is_there_after_reopening(fixture: &mut impl BusFixture) {
    let before = publish_all(&*fixture.bus().publisher, one_for_each_key(Topic::Events)).await;

    fixture.reopen().await;

    let bus = fixture.bus();
    let records = read_all(&bus, &[Topic::Events], before.len()).await;
    let found: BTreeSet<Position> = records.iter().map(|record| record.position).collect();
    assert_eq!(found, before.iter().copied().collect());
    let after = publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after.partition, before.partition, "a key stays in its partition");
        assert!(after.offset > before.offset);
    }
}

/// Reach of partitions, and records without a group.
pub async fn the_admin_sees_what_was_published(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    for position in publish_all(&*bus.publisher, one_for_each_key(Topic::Events)).await {
        ends.insert(position.partition, position.offset + 1);
    }

    let states = bus.admin.partitions(Topic::Events).await.expect("the topic is there");

    for state in &states {
        assert_eq!((state.topic, state.begins_at), (Topic::Events, 0));
        assert_eq!(state.ends_at, ends.get(&state.partition).copied().unwrap_or(0));
        let from = Position { topic: Topic::Events, partition: state.partition, offset: 1 };
        let rest = bus.admin.read(from, 1000).await.expect("reading works");
        assert!(rest.iter().map(|record| record.position.offset).eq(1..state.ends_at));
        let beyond = Position { offset: state.ends_at, ..from };
        assert!(bus.admin.read(beyond, 10).await.expect("reading works").is_empty());
    }
}

/// Making topics is for every start, and says what there is.
pub async fn topics_can_be_made_again(fixture: &mut impl BusFixture) {
    let bus = fixture.bus();
    publish(&bus, message(Topic::Outcomes, "k", "kept")).await;

    let said = bus.admin.ensure().await.expect("making topics works");

    assert_eq!(said.iter().map(|(topic, _)| *topic).collect::<Vec<_>>(), Topic::ALL);
    assert!(said.iter().all(|(_, what)| what.starts_with("there") && !what.contains("but")), "{said:?}");
    assert_eq!(payload_of(&read_all(&bus, &[Topic::Outcomes], 1).await[0]), "kept");
}
