//! `pause`, `resume`, `remove`, `suppress`, `resubscribe`.

use domain::decision::DecisionRecord;
use domain::id::CadenceName;
use engine::{Action, Subject};
use ports::content::{Content as _, DocumentKind};
use ports::dispatch::{Flag, FlagState, Flags as _};
use ports::queries::Queries as _;
use serde_json::json;

use super::actor;
use super::workbench::{Verdict, Workbench, sentences, subject};
use crate::cli::{Global, PauseArgs, RemoveArgs, ResubscribeArgs, ResumeArgs, Scope, SuppressArgs};
use crate::exit::{Failure, Outcome};
use crate::{output, wiring};

pub(super) async fn pause(global: &Global, args: &PauseArgs) -> Outcome {
    let bench = Workbench::open(global).await?;
    match flag(global, &args.scope) {
        Some(_) if args.until.is_some() => Err(Failure::Usage(
            "--until is for enrollments; a pause of this scope holds until `resume`".to_owned(),
        )),
        Some(flag) => {
            known(&bench, global, &flag, FlagState::Stopped).await?;
            set(&bench, global, flag, FlagState::Stopped).await
        }
        None if args.until.is_some_and(|until| until <= bench.clock.now()) => {
            Err(Failure::Usage("--until is over already; write a time to come".to_owned()))
        }
        None => one(&bench, global, &args.scope, Action::Pause { until: args.until }).await,
    }
}

pub(super) async fn resume(global: &Global, args: &ResumeArgs) -> Outcome {
    let bench = Workbench::open(global).await?;
    match flag(global, &args.scope) {
        Some(flag) => {
            if !bench.store.stopped().await?.contains(&flag) {
                known(&bench, global, &flag, FlagState::Clear).await?;
            }
            set(&bench, global, flag, FlagState::Clear).await
        }
        None => one(&bench, global, &args.scope, Action::Resume).await,
    }
}

fn flag(global: &Global, scope: &Scope) -> Option<Flag> {
    let workspace = || global.workspace.clone();
    if let Some(cadence) = &scope.cadence {
        return Some(Flag::Cadence(workspace(), cadence.clone()));
    }
    if let Some(owner) = &scope.owner {
        return Some(Flag::Owner(workspace(), owner.clone()));
    }
    if let Some(connector) = &scope.connector {
        return Some(Flag::Connector(connector.clone()));
    }
    scope.all.then(|| Flag::Workspace(workspace()))
}

/// Nobody enters a cadence that is not there.
pub(super) async fn known_cadence(bench: &Workbench, global: &Global, name: &CadenceName) -> Outcome {
    known(bench, global, &Flag::Cadence(global.workspace.clone(), name.clone()), FlagState::Clear).await
}

/// A pause of something that does not exist would stop nothing, and say that it did. An owner may be paused ahead, before there is
/// anything of theirs.
pub(super) async fn known(
    bench: &Workbench,
    global: &Global,
    flag: &Flag,
    state: FlagState,
) -> Result<(), Failure> {
    let (kind, what, names): (&str, String, Vec<String>) = match flag {
        Flag::Cadence(workspace, cadence) => {
            let documents = bench.store.current(workspace).await?;
            let cadences = documents.into_iter().filter(|document| document.kind == DocumentKind::Cadence);
            ("cadence", cadence.to_string(), cadences.map(|document| document.name).collect())
        }
        Flag::Connector(connector) => {
            let mut names = wiring::connector_names(&bench.config);
            names.push("inbox".to_owned());
            ("connector", connector.to_string(), names)
        }
        Flag::Owner(workspace, owner) => ("owner", owner.to_string(), bench.store.owners(workspace).await?),
        Flag::Workspace(workspace) => ("workspace", workspace.to_string(), bench.workspaces().await?),
        Flag::All => return Ok(()),
    };
    if names.contains(&what) {
        return Ok(());
    }
    let there = output::known_names(&what, &names);
    if state == FlagState::Stopped && matches!(flag, Flag::Owner(..)) {
        eprintln!("note: nothing in workspace {} has the owner {what} yet; {there}", global.workspace);
        return Ok(());
    }
    let within = match flag {
        Flag::Workspace(_) => String::new(),
        _ => format!(" in workspace {}", global.workspace),
    };
    Err(Failure::Refused(format!("there is no {kind} {what}{within}; {there}")))
}

async fn set(bench: &Workbench, global: &Global, flag: Flag, state: FlagState) -> Outcome {
    let stopped = state == FlagState::Stopped;
    let what = super::dispatch::name(&flag);
    bench.store.set_flag(flag, state, &actor()).await?;
    output::show(global.output, &json!({ "what": what, "stopped": stopped }), || {
        if stopped {
            output::say!("{what}: nothing is sent until `drumbeat resume` with the same words");
        } else {
            output::say!("{what}: goes on");
        }
    })
}

async fn one(bench: &Workbench, global: &Global, scope: &Scope, action: Action) -> Outcome {
    let who = scope.who.as_deref().unwrap_or_default();
    let decided = bench.act(global, subject(who)?, action).await?;
    tell(global, &decided)
}

pub(super) async fn remove(global: &Global, args: &RemoveArgs) -> Outcome {
    let bench = Workbench::open(global).await?;
    let action = Action::Remove { reason: args.reason.clone() };
    let decided = bench.act(global, subject(&args.who)?, action).await?;
    tell(global, &decided)
}

pub(super) async fn suppress(global: &Global, args: &SuppressArgs) -> Outcome {
    let bench = Workbench::open(global).await?;
    let action = Action::Suppress { channel: args.channel, reason: args.reason.clone() };
    let who = bench.person(global, &args.contact).await?;
    let decided = bench.act(global, Subject::Contact(who), action).await?;
    tell(global, &decided)
}

pub(super) async fn resubscribe(global: &Global, args: &ResubscribeArgs) -> Outcome {
    let bench = Workbench::open(global).await?;
    let action = Action::Resubscribe { channel: args.channel };
    let who = bench.person(global, &args.contact).await?;
    let decided = bench.act(global, Subject::Contact(who), action).await?;
    tell(global, &decided)
}

/// Says what was decided; refused or ignored: exit code 1.
pub(super) fn tell(global: &Global, decided: &[DecisionRecord]) -> Outcome {
    let (lines, verdict) = sentences(decided);
    output::show(global.output, &decided, || {
        for line in &lines {
            output::say!("{line}");
        }
        if lines.is_empty() {
            output::say!("nothing to do");
        }
    })?;
    if verdict == Verdict::Refused { Err(Failure::findings()) } else { Ok(()) }
}
