//! The embedded log is killed while it is written, again and again: what was answered is there, in its place, once.
//!
//! The child is this very test binary, started anew with the log's path in its environment.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bus::{EmbeddedConfig, EmbeddedLog};
use jiff::Timestamp;
use ports::bus::{Message, Position, Publisher, Topic, TopicAdmin};
use ports::clock::Clock;

const PATH: &str = "DRUMBEAT_TEST_CRASH_LOG";
const CHILD: &str = "child_that_is_killed";

struct SystemClock(std::time::Instant);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

async fn open(path: &Path) -> EmbeddedLog {
    let clock = Arc::new(SystemClock(std::time::Instant::now()));
    EmbeddedLog::open(EmbeddedConfig::new(path), clock).await.unwrap()
}

/// Publishes until it is killed, and says what was answered: partition, offset, payload.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test below"]
async fn child_that_is_killed() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let log = open(Path::new(&path)).await;
    let round = std::process::id();
    let publishers = (0..8).map(|publisher| {
        let log = log.clone();
        async move {
            for number in 0.. {
                let payload = format!("{round}/{publisher}/{number}");
                let message = Message {
                    topic: Topic::Events,
                    key: publisher.to_string().into_bytes(),
                    headers: BTreeMap::new(),
                    payload: payload.clone().into(),
                };
                let answer = log.publish(vec![message]).await.pop().unwrap().unwrap();
                println!("ACK {} {} {payload}", answer.partition, answer.offset);
            }
        }
    });
    futures::future::join_all(publishers).await;
}

/// Starts the child, kills it after so many answers, and returns all that it had said by then.
fn run_and_kill(path: &Path, after: usize) -> Vec<(i32, i64, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test harness writes its own words in front of the first.
        let Some((_, answer)) = line.split_once("ACK ") else { continue };
        let mut words = answer.split(' ');
        let [Some(partition), Some(offset), Some(payload)] = [words.next(), words.next(), words.next()]
        else {
            continue;
        };
        answers.push((partition.parse().unwrap(), offset.parse().unwrap(), payload.to_owned()));
        if answers.len() == after {
            // SIGKILL; what is in the pipe by then was answered, too.
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success(), "it was killed");
    assert!(answers.len() >= after, "the child ended by itself after {} answers", answers.len());
    answers
}

#[tokio::test]
async fn nothing_answered_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let mut answered = Vec::new();
    for after in [1, 40, 90, 150, 10, 300] {
        answered.extend(run_and_kill(&path, after));
    }

    let log = open(&path).await;

    let mut found = BTreeMap::new();
    for state in log.partitions(Topic::Events).await.unwrap() {
        let from = Position { topic: Topic::Events, partition: state.partition, offset: 0 };
        let records = log.read(from, usize::MAX).await.unwrap();
        let offsets: Vec<i64> = records.iter().map(|record| record.position.offset).collect();
        assert!(offsets.iter().copied().eq(0..state.ends_at), "partition {} has no hole", state.partition);
        for record in records {
            let payload = String::from_utf8(record.payload.to_vec()).unwrap();
            let place = (record.position.partition, record.position.offset);
            assert!(found.insert(payload.clone(), place).is_none(), "{payload} is there twice");
        }
    }
    for (partition, offset, payload) in &answered {
        assert_eq!(found.get(payload), Some(&(*partition, *offset)), "{payload} was answered");
    }
    assert!(answered.len() >= 591);
}
