use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use ports::bus::{StartAt, StoredOffset, TopicAdmin};
use tempfile::TempDir;

use super::*;

const HOUR: i64 = 3600;

/// Seconds since some start; moved by tests.
#[derive(Default)]
struct TestClock(AtomicI64);

impl TestClock {
    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_772_442_000 + self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

struct FromTheBeginning;

#[async_trait]
impl Starts for FromTheBeginning {
    async fn stored(&self, _: &str, _: Topic, _: i32) -> Result<Option<StoredOffset>, BusError> {
        Ok(None)
    }
}

struct World {
    folder: TempDir,
    clock: Arc<TestClock>,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::default() }
    }

    fn config(&self) -> EmbeddedConfig {
        EmbeddedConfig::new(self.folder.path().join("events.db"))
    }

    async fn open(&self, config: EmbeddedConfig) -> Result<EmbeddedLog, BusError> {
        EmbeddedLog::open(config, self.clock.clone()).await
    }
}

fn message(key: &str, payload: impl Into<Bytes>) -> Message {
    Message {
        topic: Topic::Events,
        key: key.as_bytes().to_vec(),
        headers: BTreeMap::new(),
        payload: payload.into(),
    }
}

async fn publish(log: &EmbeddedLog, message: Message) -> Result<Position, BusError> {
    log.publish(vec![message]).await.pop().unwrap()
}

async fn records(consumer: &mut Box<dyn Consumer>, count: usize) -> usize {
    let mut seen = 0;
    while seen < count {
        match consumer.next(100, Duration::from_secs(20)).await.unwrap() {
            Some(ports::bus::Delivery::Records(records)) => seen += records.len(),
            Some(_) => {}
            None => panic!("{seen} of {count} records came"),
        }
    }
    seen
}

#[tokio::test]
async fn a_full_log_is_unavailable_until_records_expire() {
    let world = World::new();
    let config = EmbeddedConfig { max_file_bytes: Some(400 * 1024), ..world.config() };
    let log = world.open(config).await.unwrap();

    let mut taken = 0_i64;
    let full = loop {
        match publish(&log, message("k", vec![7; 20_000])).await {
            Ok(position) => assert_eq!(position.offset, taken),
            Err(problem) => break problem,
        }
        taken += 1;
        assert!(taken < 100, "the file is larger than allowed");
    };

    assert!(matches!(&full, BusError::Unavailable(text) if text.contains("full")), "{full}");
    world.clock.advance(15 * 24 * HOUR);
    log.expire().await.unwrap();
    log.ready().await.unwrap();
    let next = publish(&log, message("k", vec![7; 20_000])).await.unwrap();
    assert_eq!(next.offset, taken, "a failed append uses no offset, and neither does expiry");
}

#[tokio::test]
async fn a_file_of_somebody_else_is_left_alone() {
    let world = World::new();
    let path = world.config().path;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE contacts (id INTEGER)").unwrap();

    let refused = world.open(world.config()).await.unwrap_err();

    assert!(matches!(&refused, BusError::Broken(text) if text.contains("something else")), "{refused}");
    let tables: i64 = other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);

    std::fs::write(&path, b"no database at all, but long enough to be looked at as one").unwrap();
    assert!(matches!(world.open(world.config()).await, Err(BusError::Broken(_))));
}

#[tokio::test]
async fn a_file_of_a_later_version_is_left_alone() {
    let world = World::new();
    world.open(world.config()).await.unwrap().close(Duration::from_secs(5)).await.unwrap();
    let file = rusqlite::Connection::open(world.config().path).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();

    let refused = world.open(world.config()).await.unwrap_err();

    assert!(matches!(&refused, BusError::Broken(text) if text.contains("later version")), "{refused}");
}

#[tokio::test]
async fn a_file_keeps_the_partitions_that_it_was_made_with() {
    let world = World::new();
    let small = EmbeddedConfig { partitions: 2, ..world.config() };
    world.open(small).await.unwrap().close(Duration::from_secs(5)).await.unwrap();

    let log = world.open(world.config()).await.unwrap();

    assert_eq!(log.partitions(Topic::Events).await.unwrap().len(), 2);
    let said = log.ensure().await.unwrap();
    assert!(said.iter().all(|(_, what)| what.contains("2 partitions instead of 4")), "{said:?}");
    assert!(world.open(EmbeddedConfig { partitions: 0, ..world.config() }).await.is_err());
}

/// A second log on the same file is what another process is: its own connections, its own writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_may_append_and_is_noticed() {
    let world = World::new();
    let ours = world.open(world.config()).await.unwrap();
    let theirs = world.open(world.config()).await.unwrap();
    let mut consumer = ours.join("g", &[Topic::Events], Arc::new(FromTheBeginning)).await.unwrap();
    assert!(matches!(
        consumer.next(1, Duration::from_secs(5)).await.unwrap(),
        Some(ports::bus::Delivery::Assigned(partitions)) if partitions.iter().all(|(_, start)| *start == StartAt::Offset(0))
    ));
    assert!(consumer.next(1, Duration::from_millis(50)).await.unwrap().is_none());

    let theirs_alone = tokio::time::timeout(Duration::from_secs(10), async {
        publish(&theirs, message("k", "from the other")).await.unwrap();
        records(&mut consumer, 1).await
    });
    assert_eq!(theirs_alone.await.unwrap(), 1);

    let busy = |log: EmbeddedLog| async move {
        let mut offsets = Vec::new();
        for _ in 0..100 {
            offsets.push(publish(&log, message("k", "x")).await.unwrap().offset);
        }
        offsets
    };
    let (mut offsets, others) = tokio::join!(busy(ours.clone()), busy(theirs));
    offsets.extend(others);
    offsets.sort_unstable();
    assert!(offsets.into_iter().eq(1..201), "no offset is given twice or left out");
    assert_eq!(records(&mut consumer, 200).await, 200);
}

#[tokio::test]
async fn records_are_dated_by_the_clock_and_kept_as_long_as_their_topic_says() {
    let world = World::new();
    let log = world.open(world.config()).await.unwrap();
    let begun = world.clock.now();
    publish(&log, message("k", "old")).await.unwrap();
    world.clock.advance(10 * 24 * HOUR);
    let young = publish(&log, message("k", "young")).await.unwrap();
    let all = log.read(Position { offset: 0, ..young }, 10).await.unwrap();
    assert_eq!((all[0].appended_at, all[1].appended_at), (begun, world.clock.now()));

    world.clock.advance(5 * 24 * HOUR);
    log.expire().await.unwrap();

    let kept = log.read(Position { offset: 0, ..young }, 10).await.unwrap();
    assert_eq!(kept.len(), 1, "14 days, no more and no less");
    assert_eq!(kept[0].payload, "young");
}

#[tokio::test]
async fn expiry_of_many_records_goes_on_until_the_last() {
    let world = World::new();
    let log = world.open(world.config()).await.unwrap();
    let many: Vec<Message> = (0..3500).map(|number| message("k", number.to_string())).collect();
    let last = log.publish(many).await.pop().unwrap().unwrap();
    world.clock.advance(15 * 24 * HOUR);
    publish(&log, message("k", "new")).await.unwrap();

    log.expire().await.unwrap();

    let states = log.partitions(Topic::Events).await.unwrap();
    let state = states.iter().find(|state| state.partition == last.partition).unwrap();
    assert_eq!((state.begins_at, state.ends_at), (3500, 3501));
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let world = World::new();
    let log = world.open(EmbeddedConfig { max_waiting_bytes: 100_000, ..world.config() }).await.unwrap();

    let calls = (0..200).map(|_| publish(&log, message("k", vec![0; 10_000])));
    let answers = futures::future::join_all(calls).await;

    let refused = answers.iter().filter(|answer| matches!(answer, Err(BusError::Unavailable(_)))).count();
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(refused > 0 && taken >= 9 && refused + taken == 200, "{taken} taken, {refused} refused");
    publish(&log, message("k", vec![0; 10_000])).await.unwrap();
}

#[tokio::test]
async fn closing_writes_what_waits_and_takes_no_more() {
    let world = World::new();
    let log = world.open(world.config()).await.unwrap();
    let calls = (0..50).map(|number| publish(&log, message("k", number.to_string())));

    let (answers, closed) =
        tokio::join!(futures::future::join_all(calls), log.close(Duration::from_secs(10)));

    closed.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(matches!(publish(&log, message("k", "late")).await, Err(BusError::Unavailable(_))));
    assert!(log.ready().await.is_err());
    log.close(Duration::from_secs(1)).await.unwrap();
    assert!(log.flush(Duration::from_secs(1)).await.is_ok());
}

#[tokio::test]
async fn expiry_runs_by_itself_between_appends() {
    let world = World::new();
    let log = world.open(world.config()).await.unwrap();
    publish(&log, message("k", "old")).await.unwrap();
    world.clock.advance(15 * 24 * HOUR);

    // The writer looks at the clock when it has something to do, and each minute.
    for _ in 0..3 {
        publish(&log, message("k", "new")).await.unwrap();
    }

    let states = log.partitions(Topic::Events).await.unwrap();
    assert_eq!(states.iter().map(|state| state.begins_at).sum::<i64>(), 1);
}
