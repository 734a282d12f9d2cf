//! `offsets list|set`: from where partitions are read.

use std::sync::Arc;

use ports::bus::{Position, Topic};
use ports::unit::Offsets as _;
use serde_json::{Value, json};

use super::usage;
use super::workbench::Workbench;
use crate::cli::{Global, OffsetsCommand};
use crate::exit::Outcome;
use crate::{output, wiring};

/// The topics that are consumed into the store.
const CONSUMED: [Topic; 3] = [Topic::Events, Topic::Quarantine, Topic::DeadLetter];

pub(super) async fn run(global: &Global, command: OffsetsCommand) -> Outcome {
    let bench = Workbench::open(global).await?;
    let bus = wiring::open_bus(&bench.config, &Arc::clone(&bench.clock)).await?;
    let cluster = bus.admin.cluster().await?;
    match command {
        OffsetsCommand::List => {
            let mut rows = Vec::new();
            for topic in CONSUMED {
                for state in bus.admin.partitions(topic).await? {
                    let stored = bench.store.stored(&cluster, topic, state.partition).await?;
                    rows.push((state, stored));
                }
            }
            let listed: Vec<Value> = rows
                .iter()
                .map(|(state, stored)| {
                    let next = stored.as_ref().map(|stored| stored.next);
                    json!({
                        "topic": state.topic.as_str(), "partition": state.partition, "begins_at": state.begins_at,
                        "ends_at": state.ends_at, "stored": next, "lag": state.ends_at - next.unwrap_or(state.begins_at),
                    })
                })
                .collect();
            output::show(global.output, &listed, || {
                let rows = rows.iter().map(|(state, stored)| {
                    let next = stored.as_ref().map(|stored| stored.next);
                    [
                        state.topic.to_string(),
                        state.partition.to_string(),
                        state.begins_at.to_string(),
                        state.ends_at.to_string(),
                        next.map_or_else(|| "none".to_owned(), |next| next.to_string()),
                        (state.ends_at - next.unwrap_or(state.begins_at)).to_string(),
                    ]
                });
                output::say!(
                    "{}",
                    output::table(["TOPIC", "PARTITION", "BEGINS", "ENDS", "STORED", "LAG"], rows)
                );
            })
        }
        OffsetsCommand::Set { topic, partition, offset } => {
            let topic = CONSUMED
                .into_iter()
                .find(|known| known.as_str() == topic)
                .ok_or_else(|| usage("the topic must be events, quarantine or deadletter"))?;
            let states = bus.admin.partitions(topic).await?;
            let state = states
                .iter()
                .find(|state| state.partition == partition)
                .ok_or_else(|| usage(format!("{topic} has no partition {partition}")))?;
            let offset = match offset.as_str() {
                "begin" => state.begins_at,
                "end" => state.ends_at,
                number => number.parse().map_err(|_| usage("the offset must be a number, begin or end"))?,
            };
            if offset < state.begins_at || offset > state.ends_at {
                return Err(usage(format!("the log holds {} to {}", state.begins_at, state.ends_at)));
            }
            bench.store.set(&cluster, Position { topic, partition, offset }).await?;
            let done = json!({ "topic": topic.as_str(), "partition": partition, "next": offset });
            output::show(global.output, &done, || {
                output::say!(
                    "{topic} partition {partition} goes on at {offset}; restart enrollment if it was stopped there"
                );
            })
        }
    }
}
