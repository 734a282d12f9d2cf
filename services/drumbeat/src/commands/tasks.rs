//! `tasks list|show|complete|skip`: the rep's inbox on the command line.

use domain::id::TouchKey;
use engine::{Action, Subject};
use ports::queries::{Queries as _, TaskFilter, TaskView};
use serde_json::{Value, json};

use super::people::tell;
use super::workbench::{Workbench, person};
use crate::cli::{Global, TaskListArgs, TasksCommand};
use crate::exit::{Failure, Outcome};
use crate::output;

pub(super) async fn run(global: &Global, command: TasksCommand) -> Outcome {
    let bench = Workbench::open(global).await?;
    match command {
        TasksCommand::List(args) => list(&bench, global, args).await,
        TasksCommand::Show(args) => show(&bench, global, TouchKey(args.key)).await,
        TasksCommand::Complete(args) => {
            let key = existing(&bench, global, TouchKey(args.key)).await?;
            let decided =
                bench.act(global, Subject::Touch(key), Action::Complete { outcome: args.outcome }).await?;
            tell(global, &decided)
        }
        TasksCommand::Skip(args) => {
            let key = existing(&bench, global, TouchKey(args.key)).await?;
            let decided = bench.act(global, Subject::Touch(key), Action::Skip).await?;
            tell(global, &decided)
        }
    }
}

async fn existing(bench: &Workbench, global: &Global, key: TouchKey) -> Result<TouchKey, Failure> {
    match bench.store.task(&global.workspace, key).await? {
        Some(_) => Ok(key),
        None => Err(unknown(key)),
    }
}

fn unknown(key: TouchKey) -> Failure {
    Failure::Refused(format!(
        "there is no task {key} in this workspace; `drumbeat tasks list` shows the open ones"
    ))
}

async fn list(bench: &Workbench, global: &Global, args: TaskListArgs) -> Outcome {
    if args.left {
        return list_left(bench, global, args.limit).await;
    }
    let contact = match &args.contact {
        None => None,
        Some(who) => Some(find(bench, global, who).await?),
    };
    let filter = TaskFilter {
        owner: args.owner,
        channel: args.channel,
        state: args.state,
        contact,
        limit: args.limit,
    };
    let tasks = bench.store.tasks(&global.workspace, &filter).await?;
    if let (true, Some(owner)) = (tasks.is_empty(), &filter.owner) {
        let owners = bench.store.owners(&global.workspace).await?;
        if !owners.iter().any(|name| name == owner.as_str()) {
            let there = output::known_names(owner.as_str(), &owners);
            eprintln!("note: nothing in workspace {} has the owner {owner}; {there}", global.workspace);
        }
    }
    let listed: Vec<Value> = tasks.iter().map(brief).collect();
    output::show(global.output, &listed, || {
        let rows = tasks.iter().map(|task| {
            [
                output::moment(task.touch.due_at),
                task.touch.channel.to_string(),
                task.touch.state.to_string(),
                who(task),
                task.enrollment.cadence.to_string(),
                task.touch.step.to_string(),
                task.touch.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
                task.touch.note.as_ref().map(|note| note.text.clone()).unwrap_or_default(),
                task.touch.key.to_string(),
            ]
        });
        let header = ["DUE", "CHANNEL", "STATE", "CONTACT", "CADENCE", "STEP", "OWNER", "NOTE", "KEY"];
        output::table_or(&output::table(header, rows), "no such tasks");
    })
}

/// What should be gone from the CRM, and is not.
async fn list_left(bench: &Workbench, global: &Global, limit: usize) -> Outcome {
    let left = bench.store.left_tasks(&global.workspace, limit).await?;
    let listed: Vec<Value> = left
        .iter()
        .map(|one| {
            let mut task = brief(&one.task);
            task["left"] = json!({ "why": one.why, "since": one.since });
            task
        })
        .collect();
    output::show(global.output, &listed, || {
        let rows = left.iter().map(|one| {
            let touch = &one.task.touch;
            [
                output::moment(one.since),
                touch.lane.connector.to_string(),
                touch.remote_id.clone().unwrap_or_default(),
                who(&one.task),
                one.task.enrollment.cadence.to_string(),
                touch.step.to_string(),
                one.why.clone(),
                touch.key.to_string(),
            ]
        });
        let header = ["SINCE", "CONNECTOR", "ID", "CONTACT", "CADENCE", "STEP", "WHY", "KEY"];
        output::table_or(&output::table(header, rows), "no task stays in a CRM that should be gone");
    })
}

async fn find(bench: &Workbench, global: &Global, who: &str) -> Result<domain::id::ContactId, Failure> {
    for (kind, value) in person(who)?.iter() {
        for key in bench.keys.all(&global.workspace, kind, value) {
            if let Some(contact) = bench.store.contact_by_identity(&key).await? {
                return Ok(contact);
            }
        }
    }
    Err(Failure::Refused(format!("no contact {who} in workspace {}", global.workspace)))
}

fn who(task: &TaskView) -> String {
    let contact = &task.contact;
    contact
        .email
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| contact.phone.as_ref().map(ToString::to_string))
        .or_else(|| contact.crm_ids.first().map(|id| id.as_str().to_owned()))
        .unwrap_or_default()
}

fn brief(task: &TaskView) -> Value {
    let touch = &task.touch;
    json!({
        "key": touch.key,
        "state": touch.state,
        "channel": touch.channel,
        "due_at": touch.due_at,
        "due_by": touch.due_by,
        "contact": {
            "email": task.contact.email,
            "phone": task.contact.phone,
            "crm_id": task.contact.crm_ids.first().map(domain::identity::CrmId::as_str),
        },
        "owner": touch.owner,
        "cadence": task.enrollment.cadence,
        "step": touch.step,
        "visit": touch.visit,
        "enrollment": task.enrollment.uid,
        "connector": touch.lane.connector,
        "remote_id": touch.remote_id,
        "outcome": touch.outcome,
        "note": touch.note,
        "attempt": touch.attempt,
    })
}

async fn show(bench: &Workbench, global: &Global, key: TouchKey) -> Outcome {
    let task = bench.store.task(&global.workspace, key).await?.ok_or_else(|| unknown(key))?;
    let mut whole = brief(&task);
    whole["body"] =
        task.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or(Value::Null);
    output::json(&whole)
}
