//! What only Kafka does: brokers that go away, and members that share partitions.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::io::{BufRead as _, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bus::{KafkaBus, KafkaConfig, TopicLayout};
use ports::bus::{BusError, Position, Publisher, Topic, TopicAdmin as _};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use testkit::bus::{Bus, Positions, Reader, message};

enum Order {
    Down,
    Up,
    Fail(RDKafkaApiKey, RDKafkaRespErr),
}

/// A mock cluster on a thread of its own, where orders are carried out one by one.
struct Cluster {
    brokers: String,
    orders: mpsc::Sender<(Order, mpsc::Sender<()>)>,
}

impl Cluster {
    fn start(prefix: &str) -> Self {
        let topic = Topic::Events.full_name(prefix);
        let (address, found) = mpsc::channel();
        let (orders, inbox) = mpsc::channel::<(Order, mpsc::Sender<()>)>();
        thread::spawn(move || {
            let cluster = MockCluster::new(1).unwrap();
            cluster.create_topic(&topic, 4, 1).unwrap();
            address.send(cluster.bootstrap_servers()).unwrap();
            for (order, done) in inbox {
                match order {
                    Order::Down => cluster.broker_down(1).unwrap(),
                    Order::Up => cluster.broker_up(1).unwrap(),
                    Order::Fail(call, error) => cluster.request_errors(call, &[error]),
                }
                done.send(()).unwrap();
            }
        });
        Self { brokers: found.recv().unwrap(), orders }
    }

    fn order(&self, order: Order) {
        let (done, wait) = mpsc::channel();
        self.orders.send((order, done)).unwrap();
        wait.recv().unwrap();
    }
}

/// The real broker, or a note that the case was left out since the mock cluster does otherwise.
fn real(case: &str, mock: &str) -> Option<String> {
    if let Ok(brokers) = std::env::var("DRUMBEAT_TEST_KAFKA") {
        return Some(brokers);
    }
    let required = std::env::var("DRUMBEAT_REQUIRE_KAFKA").as_deref() == Ok("1");
    assert!(!required, "a real Kafka is required, and DRUMBEAT_TEST_KAFKA names none");
    let line = format!("SKIPPED-NO-KAFKA: bus::kafka::{case}: the mock cluster {mock}");
    println!("{line}");
    if let Some(path) = std::env::var_os("DRUMBEAT_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
    None
}

fn config(brokers: &str, prefix: &str) -> KafkaConfig {
    KafkaConfig {
        prefix: prefix.to_owned(),
        group: prefix.to_owned(),
        layout: TopicLayout { partitions: 4, replication: 1 },
        ..KafkaConfig::new(vec![brokers.to_owned()])
    }
}

async fn publish(bus: &KafkaBus, key: &str, id: &str) -> Result<Position, BusError> {
    bus.publish(vec![message(Topic::Events, key, id)]).await.pop().unwrap()
}

async fn publish_until_taken(bus: &KafkaBus) -> Position {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match publish(bus, "k", "again").await {
            Ok(position) => return position,
            Err(BusError::Unavailable(_)) if Instant::now() < until => {}
            Err(problem) => panic!("still {problem}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_went_away_is_told_within_two_seconds_and_its_return_is_noticed() {
    let cluster = Cluster::start("outage");
    let bus = KafkaBus::connect(config(&cluster.brokers, "outage")).await.unwrap();
    publish_until_taken(&bus).await;
    bus.ready().await.unwrap();

    cluster.order(Order::Down);
    let mut took = Vec::new();
    for _ in 0..3 {
        let asked = Instant::now();
        let answer = publish(&bus, "k", "lost").await;
        took.push(asked.elapsed());
        assert!(matches!(answer, Err(BusError::Unavailable(_))), "{answer:?}");
    }
    // A bound that is wrong is wrong each time; a machine that others use too is late now and then.
    assert!(took.iter().min().unwrap() < &Duration::from_secs(2), "{took:?}");
    assert!(took.iter().max().unwrap() < &Duration::from_secs(10), "{took:?}");
    assert!(matches!(bus.ready().await, Err(BusError::Unavailable(_))));

    cluster.order(Order::Up);
    publish_until_taken(&bus).await;
    while bus.ready().await.is_err() {
        tokio::task::yield_now().await;
    }
    bus.flush(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passing_error_of_the_broker_is_retried_without_the_caller_noticing() {
    let cluster = Cluster::start("passing");
    let bus = KafkaBus::connect(config(&cluster.brokers, "passing")).await.unwrap();
    let before = publish_until_taken(&bus).await.offset;

    cluster.order(Order::Fail(
        RDKafkaApiKey::Produce,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    ));

    assert_eq!(publish(&bus, "k", "1").await.unwrap().offset, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_died_is_replaced() {
    let cluster = Cluster::start("fatal");
    let bus = KafkaBus::connect(config(&cluster.brokers, "fatal")).await.unwrap();
    publish_until_taken(&bus).await;

    // An idempotent producer cannot go on after this one.
    cluster.order(Order::Fail(
        RDKafkaApiKey::Produce,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    ));
    let refused = publish(&bus, "k", "1").await;

    assert!(refused.is_err(), "{refused:?}");
    publish_until_taken(&bus).await;
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_unavailable_and_a_wrong_setting_is_broken() {
    let mut wrong = config("127.0.0.1:1", "absent");
    wrong.options.insert("no.such.setting".to_owned(), "1".to_owned());
    assert!(matches!(KafkaBus::connect(wrong).await, Err(BusError::Broken(_))));

    let absent = KafkaBus::connect(config("127.0.0.1:1", "absent")).await;

    assert!(matches!(absent, Err(BusError::Unavailable(_))), "{absent:?}");
}

/// Of a real broker only: the mock cluster makes them with fewer copies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_copies_than_brokers_are_refused_with_the_setting_to_change() {
    let case = "more_copies_than_brokers_are_refused_with_the_setting_to_change";
    let Some(brokers) = real(case, "makes them with fewer copies") else { return };
    let prefix = format!("copies-{:x}", RandomState::new().hash_one("copies"));
    let layout = TopicLayout { partitions: 1, replication: 30 };
    let bus = KafkaBus::connect(KafkaConfig { layout, ..config(&brokers, &prefix) }).await.unwrap();

    let made = bus.ensure().await;

    assert!(
        matches!(&made, Err(BusError::Broken(text)) if text.contains("30 copies") && text.contains("bus.topics.replication")),
        "{made:?}"
    );
}

/// Of a real broker only: the mock cluster makes every topic that it is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_missing_is_unavailable_until_it_is_made() {
    let Some(brokers) =
        real("a_topic_that_is_missing_is_unavailable_until_it_is_made", "makes every topic by itself")
    else {
        return;
    };
    let prefix = format!("missing-{:x}", RandomState::new().hash_one("missing"));
    let kafka = KafkaBus::connect(config(&brokers, &prefix)).await.unwrap();
    let bus = Bus::of(&kafka);
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let ready = kafka.ready().await;
        match &ready {
            Err(BusError::Unavailable(text)) if text.contains("drumbeat topics") => break,
            // A broker on a busy machine may not have answered in time.
            Err(BusError::Unavailable(_)) if Instant::now() < until => {}
            _ => panic!("{ready:?}"),
        }
    }
    assert!(matches!(publish(&kafka, "k", "0").await, Err(BusError::Unavailable(_) | BusError::Rejected(_))));
    let mut reader = Reader::join(&bus, "g", &[Topic::Events], &Positions::default()).await;
    reader.expect_unavailable().await;

    bus.admin.ensure().await.unwrap();

    publish_until_taken(&kafka).await;
    let until = Instant::now() + Duration::from_secs(30);
    while reader.taken().is_empty() {
        assert!(Instant::now() < until, "the topic is not seen");
        // Until it is seen, it is missed.
        let _ = reader.step(10, Duration::from_millis(100)).await;
    }
    reader.close().await;
}

/// So long a group waits for a member that says nothing.
const SESSION: Duration = Duration::from_secs(45);

/// A configuration whose members have names, and are waited for.
fn named(brokers: &str, prefix: &str) -> KafkaConfig {
    let mut config = config(brokers, prefix);
    config.instance = Some(format!("{prefix}-process"));
    config.options.insert("session.timeout.ms".to_owned(), SESSION.as_millis().to_string());
    config
}

/// Of the process that is to be killed: brokers and prefix.
const CHILD: &str = "DRUMBEAT_TEST_MEMBER";

/// The other half of the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of a_member_that_comes_back_under_its_name_finds_its_partitions_waiting"]
async fn holds_partitions_until_it_is_killed() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (brokers, prefix) = told.split_once(' ').unwrap();
    let bus = Bus::of(&KafkaBus::connect(named(brokers, prefix)).await.unwrap());
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;
    println!("\nholds all");
    loop {
        let _ = reader.step(10, Duration::from_millis(100)).await;
    }
}

/// As after an outage: its id is forgotten, its name is not. On the mock cluster a rebalance takes half a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_comes_back_under_its_name_finds_its_partitions_waiting() {
    let name = "a_member_that_comes_back_under_its_name_finds_its_partitions_waiting";
    let Some(brokers) = real(name, "takes half a minute to rebalance") else { return };
    let prefix = format!("names-{:x}", RandomState::new().hash_one("names"));
    let bus = Bus::of(&KafkaBus::connect(named(&brokers, &prefix)).await.unwrap());
    bus.admin.ensure().await.unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holds_partitions_until_it_is_killed", "--ignored", "--nocapture"])
        .env(CHILD, format!("{brokers} {prefix}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line == "holds all"), "the other process holds no partitions");
    child.kill().unwrap();
    child.wait().unwrap();

    let began = Instant::now();
    let reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;

    assert!(began.elapsed() < SESSION / 2, "it waited for itself: {:?}", began.elapsed());
    reader.close().await;
}

/// As when a commit of before an outage reaches the group after the member's return. On the mock cluster a rebalance takes
/// half a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_name_was_taken_says_so_and_has_its_partitions_when_it_comes_back() {
    let name = "a_member_whose_name_was_taken_says_so_and_has_its_partitions_when_it_comes_back";
    let Some(brokers) = real(name, "takes half a minute to rebalance") else { return };
    let prefix = format!("taken-{:x}", RandomState::new().hash_one("taken"));
    let bus = Bus::of(&KafkaBus::connect(named(&brokers, &prefix)).await.unwrap());
    bus.admin.ensure().await.unwrap();
    let mut reader = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;

    let twin = Bus::of(&KafkaBus::connect(named(&brokers, &prefix)).await.unwrap());
    let mut other = Reader::join(&twin, "g", &[Topic::Events], &Positions::default()).await;
    let until = Instant::now() + SESSION / 2;
    while reader.step(10, Duration::from_millis(50)).await.is_ok() {
        assert!(Instant::now() < until, "it goes on as if nothing had happened");
        other.step(10, Duration::from_millis(50)).await.unwrap();
    }
    drop(other);
    reader.close().await;
    let back = Reader::join_fully(&bus, "g", &[Topic::Events], &Positions::default()).await;

    assert!(Instant::now() < until, "it waited for itself");
    back.close().await;
}

/// Members share partitions, and each record reaches the member that has its partition then. On the mock cluster a
/// rebalance takes half a minute, so this is for a real broker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_partitions_and_hand_them_over() {
    let Some(brokers) =
        real("members_share_partitions_and_hand_them_over", "takes half a minute to rebalance")
    else {
        return;
    };
    let prefix = format!("members-{:x}", RandomState::new().hash_one("members"));
    let bus = Bus::of(&KafkaBus::connect(named(&brokers, &prefix)).await.unwrap());
    bus.admin.ensure().await.unwrap();
    let positions = Positions::default();
    let topics = [Topic::Events];
    let mut first = Reader::join_fully(&bus, "g", &topics, &positions).await;

    let mut second = Reader::join(&bus, "g", &topics, &positions).await;
    let until = Instant::now() + Duration::from_secs(30);
    while first.assigned.len() != 2 || second.assigned.len() != 2 {
        assert!(Instant::now() < until, "{:?} and {:?}", first.assigned, second.assigned);
        first.step(10, Duration::from_millis(50)).await.unwrap();
        second.step(10, Duration::from_millis(50)).await.unwrap();
    }
    let ours: BTreeSet<_> = first.assigned.keys().copied().collect();
    assert!(second.assigned.keys().all(|place| !ours.contains(place)), "no partition has two members");

    let messages: Vec<_> =
        (0..80).map(|number| message(Topic::Events, &number.to_string(), &number.to_string())).collect();
    let published: BTreeSet<Position> =
        bus.publisher.publish(messages).await.into_iter().map(Result::unwrap).collect();
    let to_first =
        published.iter().filter(|position| ours.contains(&(position.topic, position.partition))).count();
    let by_first = first.read(to_first).await;
    let by_second = second.read(80 - to_first).await;
    let mut read: BTreeMap<Position, usize> = BTreeMap::new();
    for record in by_first.iter().chain(&by_second) {
        positions.processed(record);
        *read.entry(record.position).or_default() += 1;
    }
    assert!(read.values().all(|times| *times == 1) && read.len() == published.len());

    let leaves = Instant::now();
    first.close().await;
    second.until_all_assigned(&bus, &topics).await;
    assert!(leaves.elapsed() < SESSION / 2, "who leaves is not waited for: {:?}", leaves.elapsed());
    let more = message(Topic::Events, "0", "more");
    bus.publisher.publish(vec![more]).await.pop().unwrap().unwrap();
    assert_eq!(second.read(1).await.len(), 1, "from the store's positions: nothing again");
    second.close().await;
}
