//! `tail`: what is decided, as it happens.

use std::time::Duration;

use domain::decision::DecisionRecord;
use ports::queries::Queries as _;

use super::explain::cause;
use super::workbench::{Workbench, sentence};
use crate::cli::{Global, Output, TailArgs};
use crate::exit::{Failure, Outcome};
use crate::output;

const POLL: Duration = Duration::from_millis(250);
const PAGE: usize = 200;

pub(super) async fn run(global: &Global, args: &TailArgs) -> Outcome {
    let bench = Workbench::open(global).await?;
    let newest = bench.store.decisions_after(&global.workspace, None, args.lines.max(1)).await?;
    let mut after = newest.last().map_or(0, |(row, _)| *row);
    let shown = newest.len().saturating_sub(args.lines);
    if args.once && global.output == Output::Json {
        return output::json(&newest[shown..].iter().map(|(_, record)| record).collect::<Vec<_>>());
    }
    for (_, record) in &newest[shown..] {
        print(global, record)?;
    }
    if args.once {
        return Ok(());
    }
    loop {
        let next = bench.store.decisions_after(&global.workspace, Some(after), PAGE).await?;
        for (row, record) in &next {
            after = *row;
            print(global, record)?;
        }
        if next.len() < PAGE {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// One record a line; following, JSON is a stream of documents.
fn print(global: &Global, record: &DecisionRecord) -> Outcome {
    match global.output {
        Output::Json => {
            let line = serde_json::to_string(record).map_err(|error| Failure::Refused(error.to_string()))?;
            output::line(&line)
        }
        Output::Human => {
            let items: Vec<String> = record.items.iter().map(sentence).collect();
            let what = if items.is_empty() { "nothing to do".to_owned() } else { items.join("; ") };
            output::line(&format!("{}  {}: {what}", output::moment(record.at), cause(&record.cause)))
        }
    }
}
