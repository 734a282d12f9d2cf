//! Kafka: a real broker where `DRUMBEAT_TEST_KAFKA` names one, else librdkafka's mock cluster as far as that goes. What is
//! left out then is printed, and appended to the file that `DRUMBEAT_SKIPS` names.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use bus::{KafkaBus, KafkaConfig, TopicLayout};
use ports::bus::Topic;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use testkit::bus::{Bus, BusFixture, Needs};

const PARTITIONS: i32 = 3;

struct Fixture {
    config: KafkaConfig,
    bus: KafkaBus,
    /// Keeps the mock cluster alive.
    mock_alive: Option<mpsc::Sender<()>>,
}

fn config(brokers: String, prefix: String) -> KafkaConfig {
    KafkaConfig {
        group: prefix.clone(),
        prefix,
        layout: TopicLayout { partitions: PARTITIONS, replication: 1 },
        max_message_bytes: 1024 * 1024,
        // A test machine may stall for longer than a webhook's sender waits.
        ack_timeout: Duration::from_secs(10),
        ..KafkaConfig::new(vec![brokers])
    }
}

/// A cluster in this process, gone with the sender. It cannot move between threads, so it has one of its own.
fn mock(prefix: &str) -> (String, mpsc::Sender<()>) {
    let topics = Topic::ALL.map(|topic| topic.full_name(prefix));
    let (address, found) = mpsc::channel();
    let (alive, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        let cluster = MockCluster::new(1).unwrap();
        for topic in topics {
            cluster.create_topic(&topic, PARTITIONS, 1).unwrap();
        }
        address.send(cluster.bootstrap_servers()).unwrap();
        let _ = ended.recv();
    });
    (found.recv().unwrap(), alive)
}

/// What ran on less than a real Kafka, or not at all: printed, and told to `make test`, which lists it last.
fn report(line: &str) {
    println!("{line}");
    if let Some(path) = std::env::var_os("DRUMBEAT_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

fn skip(case: &str, why: &str) {
    report(&format!("SKIPPED-NO-KAFKA: bus::conformance::kafka::{case}: {why}"));
}

async fn fixture(case: &str, needs: Needs) -> Option<Fixture> {
    let prefix = format!("{case}-{:x}", RandomState::new().hash_one(case));
    if let Ok(brokers) = std::env::var("DRUMBEAT_TEST_KAFKA") {
        let config = config(brokers, prefix);
        let bus = KafkaBus::connect(config.clone()).await.unwrap();
        let made = Bus::of(&bus).admin.ensure().await.unwrap();
        assert!(made.iter().all(|(_, what)| what.starts_with("made")), "{made:?}");
        return Some(Fixture { config, bus, mock_alive: None });
    }
    assert!(
        std::env::var("DRUMBEAT_REQUIRE_KAFKA").as_deref() != Ok("1"),
        "a real Kafka is required, and DRUMBEAT_TEST_KAFKA names none"
    );
    match needs {
        Needs::Nothing => {}
        Needs::Expiry => {
            skip(case, "the mock cluster cannot remove records");
            return None;
        }
        Needs::TopicAdmin => {
            skip(case, "the mock cluster cannot make topics");
            return None;
        }
    }
    report(&format!("MOCK-KAFKA: bus::conformance::kafka::{case}"));
    let (brokers, alive) = mock(&prefix);
    let config = config(brokers, prefix);
    let bus = KafkaBus::connect(config.clone()).await.unwrap();
    Some(Fixture { config, bus, mock_alive: Some(alive) })
}

impl Fixture {
    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.config.brokers.join(",")).create().unwrap()
    }
}

#[async_trait]
impl BusFixture for Fixture {
    fn bus(&self) -> Bus {
        Bus::of(&self.bus)
    }

    fn max_message_bytes(&self) -> usize {
        self.config.max_message_bytes
    }

    async fn reopen(&mut self) {
        self.bus = KafkaBus::connect(self.config.clone()).await.unwrap();
    }

    async fn expire(&mut self, topic: Topic) {
        let mut ends = TopicPartitionList::new();
        for state in self.bus().admin.partitions(topic).await.unwrap() {
            let name = topic.full_name(&self.config.prefix);
            ends.add_partition_offset(&name, state.partition, Offset::Offset(state.ends_at)).unwrap();
        }
        self.admin().delete_records(&ends, &AdminOptions::new()).await.unwrap();
    }

    async fn finish(&mut self) {
        if self.mock_alive.is_none() {
            let names = Topic::ALL.map(|topic| topic.full_name(&self.config.prefix));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            self.admin().delete_topics(&names, &AdminOptions::new()).await.unwrap();
        }
    }
}

testkit::bus_conformance!(fixture);
