//! The log in a file.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{EmbeddedConfig, EmbeddedLog};
use ports::bus::Topic;
use tempfile::TempDir;
use testkit::bus::{Bus, BusFixture, Needs};

use crate::clock::ManualClock;

struct Fixture {
    folder: TempDir,
    clock: Arc<ManualClock>,
    log: EmbeddedLog,
}

fn config(folder: &TempDir) -> EmbeddedConfig {
    EmbeddedConfig {
        max_message_bytes: 1024 * 1024,
        ..EmbeddedConfig::new(folder.path().join("data/events.db"))
    }
}

async fn fixture(_case: &str, _needs: Needs) -> Option<Fixture> {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let log = EmbeddedLog::open(config(&folder), clock.clone()).await.unwrap();
    Some(Fixture { folder, clock, log })
}

#[async_trait]
impl BusFixture for Fixture {
    fn bus(&self) -> Bus {
        Bus::of(&self.log)
    }

    fn max_message_bytes(&self) -> usize {
        1024 * 1024
    }

    async fn reopen(&mut self) {
        self.log.close(Duration::from_secs(5)).await.unwrap();
        self.log = EmbeddedLog::open(config(&self.folder), self.clock.clone()).await.unwrap();
    }

    async fn expire(&mut self, topic: Topic) {
        let keep = config(&self.folder).retention.of(topic);
        self.clock.advance(keep + Duration::from_secs(1));
        self.log.expire().await.unwrap();
    }
}

testkit::bus_conformance!(fixture);
