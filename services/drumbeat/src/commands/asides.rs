//! `quarantine`, `deadletter`: what was set aside, and trying it again.

use contracts::{DeadLetter, Published as _, Quarantined, Redelivery, Wire as _};
use ports::bus::{Message, Topic};
use ports::relay::{AsideList, Asides as _, SetAside};
use serde_json::{Value, json};

use super::people::tell;
use super::workbench::Workbench;
use crate::cli::{AsideCommand, AsideListArgs, Global};
use crate::exit::{Failure, Outcome};
use crate::{output, wiring};

/// The most that `redrive --all` drives at once.
const MOST: usize = 1_000;

pub(super) async fn quarantine(global: &Global, command: AsideCommand) -> Outcome {
    run(global, AsideList::Quarantine, command).await
}

pub(super) async fn dead_letters(global: &Global, command: AsideCommand) -> Outcome {
    run(global, AsideList::DeadLetter, command).await
}

async fn run(global: &Global, list: AsideList, command: AsideCommand) -> Outcome {
    let bench = Workbench::open(global).await?;
    match command {
        AsideCommand::List(args) => show_list(&bench, global, list, &args).await,
        AsideCommand::Show { id } => output::json(&whole(&find(&bench, global, list, id).await?)),
        AsideCommand::Redrive(args) => {
            let rows = if args.all {
                let rows = bench.store.list(list, &global.workspace, None, MOST).await?;
                rows.into_iter().filter(|row| row.redriven_at.is_none()).collect()
            } else {
                let mut rows = Vec::with_capacity(args.ids.len());
                for id in args.ids {
                    rows.push(find(&bench, global, list, id).await?);
                }
                rows
            };
            match list {
                AsideList::Quarantine => redeliver(&bench, global, rows).await,
                AsideList::DeadLetter => redrive(&bench, global, rows).await,
            }
        }
    }
}

async fn find(bench: &Workbench, global: &Global, list: AsideList, id: i64) -> Result<SetAside, Failure> {
    let found = bench.store.find(list, &global.workspace, id).await?;
    found.ok_or_else(|| {
        Failure::Refused(format!(
            "there is no number {id} in this list and workspace; `list` shows what there is"
        ))
    })
}

async fn show_list(bench: &Workbench, global: &Global, list: AsideList, args: &AsideListArgs) -> Outcome {
    let rows = bench.store.list(list, &global.workspace, args.before, args.limit).await?;
    let listed: Vec<Value> = rows.iter().map(brief).collect();
    output::show(global.output, &listed, || {
        let rows = rows.iter().map(|row| {
            let driven = row.redriven_at.map(output::moment).unwrap_or_default();
            [
                row.id.to_string(),
                output::moment(row.at),
                row.source.clone(),
                row.code.clone(),
                row.text.clone(),
                driven,
            ]
        });
        output::table_or(
            &output::table(["NUMBER", "WHEN", "SOURCE", "CODE", "WHY", "RE-DRIVEN"], rows),
            "nothing was set aside",
        );
    })
}

fn brief(row: &SetAside) -> Value {
    json!({
        "id": row.id, "at": row.at, "source": row.source, "code": row.code, "text": row.text, "place": row.place,
        "redriven_at": row.redriven_at,
    })
}

fn whole(row: &SetAside) -> Value {
    let mut whole = brief(row);
    match row.list {
        AsideList::Quarantine => {
            if let Ok(held) = Quarantined::from_bytes(&row.payload) {
                whole["provider"] = json!(held.provider);
                whole["content_type"] = json!(held.content_type);
                whole["headers"] = json!(held.headers);
                whole["item"] = json!(held.item);
                whole["body"] = json!(String::from_utf8_lossy(&held.body));
            }
        }
        AsideList::DeadLetter => {
            if let Ok(held) = DeadLetter::from_bytes(&row.payload) {
                whole["event"] = json!(held.event().ok());
                whole["attempts"] = json!(held.attempts);
                whole["headers"] = json!(held.headers);
            }
        }
    }
    whole
}

/// Hands quarantined deliveries back to ingest, which translates them under the configuration of now.
async fn redeliver(bench: &Workbench, global: &Global, rows: Vec<SetAside>) -> Outcome {
    let bus = wiring::open_bus(&bench.config, &bench.clock).await?;
    let mut messages = Vec::with_capacity(rows.len());
    for row in &rows {
        let quarantined =
            Quarantined::from_bytes(&row.payload).map_err(|error| Failure::Refused(error.to_string()))?;
        let redelivery =
            Redelivery { quarantined, actor: Some(super::actor()), requested_at: bench.clock.now() };
        let encoded = redelivery.message(None);
        messages.push(Message {
            topic: Topic::Redeliver,
            key: encoded.key,
            headers: encoded.headers,
            payload: encoded.payload,
        });
    }
    for answer in bus.publisher.publish(messages).await {
        answer?;
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    bench.store.redriven(AsideList::Quarantine, &ids).await?;
    output::show(global.output, &json!({ "redelivered": ids.len() }), || {
        output::say!(
            "{} to ingest again; what still cannot be translated comes back here",
            if ids.len() == 1 {
                "1 delivery goes".to_owned()
            } else {
                format!("{} deliveries go", ids.len())
            }
        );
    })
}

/// Folds dead events again, straight into the store.
async fn redrive(bench: &Workbench, global: &Global, rows: Vec<SetAside>) -> Outcome {
    let people = bench.people();
    let mut decided = Vec::new();
    for row in rows {
        let letter =
            DeadLetter::from_bytes(&row.payload).map_err(|error| Failure::Refused(error.to_string()))?;
        let event = letter.event().map_err(|error| {
            Failure::Refused(format!("number {} holds no event and cannot be driven: {error}", row.id))
        })?;
        decided.extend(people.redrive(event).await?);
        bench.store.redriven(AsideList::DeadLetter, &[row.id]).await?;
    }
    tell(global, &decided)
}
