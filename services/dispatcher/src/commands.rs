//! Commands: what a stop left to be done at the CRM.

use std::sync::Arc;
use std::time::Duration;

use domain::decision::CommandAction;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use ports::StoreResult;
use ports::connector::{Connector, ConnectorError, Idempotency};
use ports::dispatch::{Command, CommandResult};
use ports::wake::Wake;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::upkeep::Standing;
use crate::{Deps, backoff};

const SLICE: usize = 64;
const NAP: Duration = Duration::from_secs(1);
const BREATH: Duration = Duration::from_millis(150);
/// A task that could not be taken back this often stays, and the note says so: after a day of errors, as with touches.
const TRIES: u32 = 105;

/// Runs until `stop`.
pub(crate) async fn run(deps: Arc<Deps>, standing: watch::Receiver<Standing>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let seen = deps.wakes.generation(Wake::Commands);
        let done = match turn(&deps, &standing).await {
            Ok(done) => done,
            Err(error) => {
                tracing::warn!(error = %error, "the store cannot be asked for commands");
                0
            }
        };
        if done == 0 {
            stop.run_until_cancelled(deps.wakes.changed(Wake::Commands, seen, NAP)).await;
            // Across processes this only was the poll: looking for commands takes a lock, so not that often.
            if deps.wakes.generation(Wake::Commands) == seen {
                stop.run_until_cancelled(tokio::time::sleep(BREATH)).await;
            }
        }
    }
}

async fn turn(deps: &Deps, standing: &watch::Receiver<Standing>) -> StoreResult<usize> {
    let worker = standing.borrow().worker;
    let commands = deps.commands.due_commands(worker, SLICE).await?;
    let count = commands.len();
    let results: Vec<_> = commands
        .into_iter()
        .map(|command| async move { (command.id, carry_out(deps, &command).await) })
        .collect::<FuturesUnordered<_>>()
        .collect()
        .await;
    if !results.is_empty() {
        deps.commands.finish_commands(results).await?;
    }
    Ok(count)
}

async fn carry_out(deps: &Deps, command: &Command) -> CommandResult {
    let Some(connector) = deps.connectors.iter().find(|known| *known.name() == command.connector) else {
        return CommandResult::GivenUp(format!("connector {} is not configured", command.connector));
    };
    let CommandAction::Withdraw { reason } = &command.action;
    let span = tracing::info_span!(
        "dispatch.withdraw",
        touch.key = %command.key,
        connector = %connector.name(),
    );
    match withdraw(connector.as_ref(), command, reason).instrument(span).await {
        Ok(()) => CommandResult::Done,
        Err(ConnectorError::Rejected(why)) => CommandResult::GivenUp(why),
        // To be told to wait is no failure.
        Err(error @ ConnectorError::RateLimited { .. }) => again(deps, command, &error),
        Err(error) if command.tries >= TRIES => CommandResult::GivenUp(error.to_string()),
        Err(error) => again(deps, command, &error),
    }
}

/// A task whose id was never learnt is looked for by its key first, where the CRM can be asked.
async fn withdraw(connector: &dyn Connector, command: &Command, reason: &str) -> Result<(), ConnectorError> {
    if command.remote_id.is_none() && connector.traits().idempotency == Idempotency::Lookup {
        let Some(found) = connector.look_up(command.key).await? else {
            return Ok(());
        };
        return connector.withdraw(command.key, found.remote_id.as_deref(), reason).await;
    }
    connector.withdraw(command.key, command.remote_id.as_deref(), reason).await
}

fn again(deps: &Deps, command: &Command, error: &ConnectorError) -> CommandResult {
    CommandResult::Again(next_try(deps, command, error), error.to_string())
}

fn next_try(deps: &Deps, command: &Command, error: &ConnectorError) -> Timestamp {
    let usual =
        backoff::delay(command.key, i32::try_from(command.tries).unwrap_or(i32::MAX).saturating_add(1));
    let wait = match error {
        ConnectorError::RateLimited { retry_after: Some(wait) } => *wait,
        _ => usual,
    };
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    deps.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX)
}
