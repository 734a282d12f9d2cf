//! `topics`: creates what is missing, and shows what there is.

use std::sync::Arc;

use ports::bus::Topic;
use ports::clock::Clock;
use serde_json::{Value, json};

use crate::cli::{Global, TopicsArgs};
use crate::exit::Outcome;
use crate::output;
use crate::wiring::{self, SystemClock};

pub(super) async fn run(global: &Global, args: &TopicsArgs) -> Outcome {
    let config = wiring::load(global, &[])?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let bus = wiring::open_bus(&config, &clock).await?;
    let did = if args.dry_run { Vec::new() } else { bus.admin.ensure().await? };
    let mut rows = Vec::new();
    for topic in Topic::ALL {
        let what =
            did.iter().find(|(one, _)| *one == topic).map(|(_, what)| what.clone()).unwrap_or_default();
        let partitions = bus.admin.partitions(topic).await.unwrap_or_default();
        let records: i64 = partitions.iter().map(|one| one.ends_at - one.begins_at).sum();
        rows.push((topic, partitions.len(), records, what));
    }
    let listed: Vec<Value> = rows
        .iter()
        .map(|(topic, partitions, records, what)| {
            json!({ "topic": topic.as_str(), "partitions": partitions, "records": records, "did": what })
        })
        .collect();
    output::show(global.output, &listed, || {
        let rows = rows.iter().map(|(topic, partitions, records, what)| {
            [topic.to_string(), partitions.to_string(), records.to_string(), what.clone()]
        });
        output::say!("{}", output::table(["TOPIC", "PARTITIONS", "RECORDS", "DONE NOW"], rows));
    })
}
