//! `dispatch hold|release|status`.

use ports::dispatch::{Dispatch as _, Flag, FlagState, Flags as _};
use serde_json::json;

use super::actor;
use super::workbench::Workbench;
use crate::cli::{DispatchCommand, Global};
use crate::exit::Outcome;
use crate::output;

pub(super) async fn run(global: &Global, command: &DispatchCommand) -> Outcome {
    let bench = Workbench::open(global).await?;
    match command {
        DispatchCommand::Hold => bench.store.set_flag(Flag::All, FlagState::Stopped, &actor()).await?,
        DispatchCommand::Release => bench.store.set_flag(Flag::All, FlagState::Clear, &actor()).await?,
        DispatchCommand::Status => {}
    }
    let stopped = bench.store.stopped().await?;
    let names: Vec<String> = stopped.iter().map(name).collect();
    let waiting = bench.store.held().await?;
    let counts: Vec<_> = waiting
        .iter()
        .map(|one| json!({ "reason": one.reason, "connector": one.lane.connector, "priority": one.lane.priority, "touches": one.touches }))
        .collect();
    let whole = json!({ "held": stopped.contains(&Flag::All), "stopped": names, "waiting": counts });
    output::show(global.output, &whole, || {
        if names.is_empty() {
            output::say!("everything may be sent");
        }
        for name in &names {
            output::say!("stopped: {name}");
        }
        for one in &waiting {
            println!("waiting: {} touches for {} ({})", one.touches, one.lane.connector, one.reason);
        }
    })
}

/// What a flag stops, in words.
pub(super) fn name(flag: &Flag) -> String {
    match flag {
        Flag::All => "all sending".to_owned(),
        Flag::Workspace(workspace) => format!("workspace {workspace}"),
        Flag::Cadence(workspace, cadence) => format!("cadence {cadence} of {workspace}"),
        Flag::Owner(workspace, owner) => format!("owner {owner} of {workspace}"),
        Flag::Connector(connector) => format!("connector {connector}"),
    }
}
