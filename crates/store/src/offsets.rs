//! Offsets of partitions, for consumers and the command line.

use async_trait::async_trait;
use ports::StoreResult;
use ports::bus::{BusError, Position, Starts, StoredOffset, Topic};
use ports::unit::Offsets;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use std::sync::Arc;

use crate::Store;
use crate::entity::offset;
use crate::error::{Fail, known};
use crate::session::{Tx, Work};

fn read(row: offset::Model) -> StoreResult<(String, Topic, i32, StoredOffset)> {
    let topic = known(topic(&row.topic), "topic")?;
    Ok((row.cluster, topic, row.part, StoredOffset { next: row.next_offset, last_id: row.last_id }))
}

/// A topic by its stored name.
pub(crate) fn topic(name: &str) -> Option<Topic> {
    Topic::ALL.into_iter().find(|topic| topic.as_str() == name)
}

struct SetOffset {
    cluster: String,
    at: Position,
}

#[async_trait]
impl Work for SetOffset {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        let stmt = tx
            .conn
            .stmt("insert into offsets (cluster, topic, part, next_offset, last_id) values (")
            .bind(self.cluster.as_str())
            .sql(", ")
            .bind(self.at.topic.as_str())
            .sql(", ")
            .bind(i64::from(self.at.partition))
            .sql(", ")
            .bind(self.at.offset)
            // Which record is before it nobody knows, so nothing is compared.
            .sql(", null) on conflict (cluster, topic, part) do update set next_offset = excluded.next_offset, last_id = null");
        tx.conn.run_exactly(stmt, 1, "offsets").await
    }
}

#[async_trait]
impl Offsets for Store {
    async fn stored(&self, cluster: &str, topic: Topic, partition: i32) -> StoreResult<Option<StoredOffset>> {
        let key = (cluster.to_owned(), topic.as_str().to_owned(), partition);
        let row = offset::Entity::find_by_id(key).one(&self.database.orm()).await;
        let row = row.map_err(|error| Fail::from(error).into_error())?;
        Ok(row.map(read).transpose()?.map(|(_, _, _, stored)| stored))
    }

    async fn all(&self) -> StoreResult<Vec<(String, Topic, i32, StoredOffset)>> {
        let rows = offset::Entity::find()
            .filter(offset::Column::NextOffset.gte(0))
            .order_by_asc(offset::Column::Cluster)
            .order_by_asc(offset::Column::Topic)
            .order_by_asc(offset::Column::Part)
            .all(&self.database.orm())
            .await
            .map_err(|error| Fail::from(error).into_error())?;
        rows.into_iter().map(read).collect()
    }

    async fn set(&self, cluster: &str, at: Position) -> StoreResult<()> {
        let work = SetOffset { cluster: cluster.to_owned(), at };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }
}

#[async_trait]
impl Starts for Store {
    async fn stored(
        &self,
        cluster: &str,
        topic: Topic,
        partition: i32,
    ) -> Result<Option<StoredOffset>, BusError> {
        Offsets::stored(self, cluster, topic, partition)
            .await
            .map_err(|error| BusError::Unavailable(error.to_string()))
    }
}
