//! What was set aside, kept in view: quarantine and dead letters from their topics into the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::{DeadLetter, Quarantined, Wire};
use domain::id::Workspace;
use ports::StoreError;
use ports::bus::{BusError, Consumer, Delivery, Record, StartAt, Topic};
use ports::relay::{AsideList, SetAside};
use ports::unit::Advance;
use tokio_util::sync::CancellationToken;

use crate::Deps;
use crate::consume::StoreStarts;
use crate::decode::after;

const GROUP: &str = "projection";
const BATCH: usize = 200;
const LOOK: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(1);

/// Projects until `stop`.
pub(crate) async fn run(deps: Arc<Deps>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let starts = Arc::new(StoreStarts(Arc::clone(&deps.offsets)));
        let joined = deps.consumers.join(GROUP, &[Topic::Quarantine, Topic::DeadLetter], starts).await;
        let problem = match joined {
            Ok(mut consumer) => {
                let ended = consume(&deps, consumer.as_mut(), &stop).await;
                consumer.close().await;
                ended.err()
            }
            Err(error) => Some(error),
        };
        if let Some(error) = problem {
            tracing::warn!(error = %error, "what was set aside cannot be projected now");
            stop.run_until_cancelled(tokio::time::sleep(PATIENCE)).await;
        }
    }
}

async fn consume(deps: &Deps, consumer: &mut dyn Consumer, stop: &CancellationToken) -> Result<(), BusError> {
    let mut stored: HashMap<(Topic, i32), Option<i64>> = HashMap::new();
    while !stop.is_cancelled() {
        match stop.run_until_cancelled(consumer.next(BATCH, LOOK)).await.transpose()?.flatten() {
            Some(Delivery::Records(records)) => {
                if let Err(error) = project(deps, consumer.cluster(), &records, &mut stored).await {
                    let Some(first) = records.first() else { continue };
                    let at = first.position;
                    stored.remove(&(at.topic, at.partition));
                    let known =
                        deps.offsets.stored(consumer.cluster(), at.topic, at.partition).await.ok().flatten();
                    consumer
                        .seek(at.topic, at.partition, known.map_or(at.offset, |known| known.next))
                        .await?;
                    if !matches!(error, StoreError::Conflict(_)) {
                        tracing::warn!(error = %error, "what was set aside waits for the store");
                        stop.run_until_cancelled(tokio::time::sleep(PATIENCE)).await;
                    }
                }
            }
            Some(Delivery::Assigned(partitions)) => {
                for (state, start) in partitions {
                    stored.remove(&(state.topic, state.partition));
                    if let StartAt::Stopped(why) = start {
                        tracing::error!(why, "a partition of what was set aside is stopped");
                    }
                }
            }
            Some(Delivery::Revoked(partitions)) => {
                for partition in partitions {
                    stored.remove(&partition);
                }
            }
            None => {}
        }
    }
    Ok(())
}

async fn project(
    deps: &Deps,
    cluster: &str,
    records: &[Record],
    stored: &mut HashMap<(Topic, i32), Option<i64>>,
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return Ok(());
    };
    let (topic, partition) = (first.position.topic, first.position.partition);
    let from = match stored.get(&(topic, partition)) {
        Some(known) => *known,
        None => deps.offsets.stored(cluster, topic, partition).await?.map(|stored| stored.next),
    };
    let rows = records.iter().filter_map(row).collect();
    let to = after(last);
    let next = to.next;
    let advance = Advance { cluster: cluster.to_owned(), topic, partition, from, to };
    deps.asides.project(rows, Some(advance)).await?;
    stored.insert((topic, partition), Some(next));
    Ok(())
}

fn row(record: &Record) -> Option<SetAside> {
    let row = match record.position.topic {
        Topic::Quarantine => Quarantined::from_bytes(&record.payload).map(|one| SetAside {
            id: 0,
            list: AsideList::Quarantine,
            workspace: one.workspace,
            source: one.source.to_string(),
            code: one.reason.code,
            text: one.reason.text,
            at: one.received_at,
            payload: record.payload.to_vec(),
            place: place(record),
            redriven_at: None,
        }),
        _ => DeadLetter::from_bytes(&record.payload).map(|one| SetAside {
            id: 0,
            list: AsideList::DeadLetter,
            source: one.event().map(|event| event.source.to_string()).unwrap_or_default(),
            workspace: one.workspace.unwrap_or_else(Workspace::main),
            code: one.error.code,
            text: one.error.text,
            at: one.failed_at,
            payload: record.payload.to_vec(),
            place: place(record),
            redriven_at: None,
        }),
    };
    // What cannot even be read stays in its topic; `drumbeat tail` shows it there.
    row.inspect_err(|error| tracing::error!(error = %error, "a record that was set aside cannot be read"))
        .ok()
}

fn place(record: &Record) -> String {
    let at = record.position;
    format!("{}/{}/{}", at.topic, at.partition, at.offset)
}

#[cfg(test)]
mod tests;
