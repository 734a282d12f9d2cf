//! Looking after the log.

use async_trait::async_trait;
use ports::bus::{BusError, PartitionState, Position, Record, Topic, TopicAdmin};

use super::EmbeddedLog;
use super::file::on_a_thread;
use super::read::{MOST_BYTES, Room, records_from, states_of};

#[async_trait]
impl TopicAdmin for EmbeddedLog {
    async fn ensure(&self) -> Result<Vec<(Topic, String)>, BusError> {
        // The file was made with all topics; only the number of partitions can differ from what is configured.
        let (there, wanted) = (self.shared.file.partitions, self.shared.config.partitions);
        let said = if there == wanted {
            format!("there, {there} partitions")
        } else {
            format!("there, {there} partitions instead of {wanted}: kept, since keys would change theirs")
        };
        Ok(Topic::ALL.map(|topic| (topic, said.clone())).to_vec())
    }

    async fn partitions(&self, topic: Topic) -> Result<Vec<PartitionState>, BusError> {
        let file = self.shared.file.clone();
        on_a_thread(move || states_of(&file.reader()?, topic).map_err(|problem| file.error(&problem))).await
    }

    async fn read(&self, from: Position, max: usize) -> Result<Vec<Record>, BusError> {
        let file = self.shared.file.clone();
        if !(0..file.partitions).contains(&from.partition) {
            return Err(BusError::Rejected(format!("{} has no partition {}", from.topic, from.partition)));
        }
        on_a_thread(move || {
            let connection = file.reader()?;
            let mut room = Room { records: max, bytes: MOST_BYTES };
            records_from(&connection, from, &mut room).map_err(|problem| file.error(&problem))
        })
        .await
    }

    async fn cluster(&self) -> Result<String, BusError> {
        Ok(self.shared.file.cluster.clone())
    }
}
