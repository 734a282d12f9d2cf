//! Commands: what a stop left to be done at the CRM.

use std::sync::Arc;
use std::time::Duration;

use domain::decision::CommandAction;
use jiff::{SignedDuration, Timestamp};
use ports::StoreResult;
use ports::connector::{Connector, ConnectorError, Idempotency};
use ports::dispatch::{Command, CommandResult, Take};
use ports::wake::Generation;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::gate::MayStart;
use crate::line::Line;
use crate::outage::Reached;
use crate::verdict::Pause;
use crate::{Deps, backoff, send, upkeep, verdict};

/// How a command ended.
pub(crate) type Answer = (i64, CommandResult);

/// Looking for commands nobody signalled costs a query each time, so not that often.
const BREATH: Duration = Duration::from_millis(150);
/// How long to wait while the store cannot be reached.
const PATIENCE: Duration = Duration::from_millis(200);
/// The most that one transaction answers.
const BATCH: usize = 256;

/// When commands are looked for, and how many of the requests may be theirs.
#[derive(Default)]
pub(crate) struct Looks {
    last: Option<Duration>,
    seen: Option<Generation>,
    /// There were as many as asked for.
    full: bool,
    /// The last request was a command's.
    went: bool,
}

impl Looks {
    /// How many of the free requests commands may take: they go first, since they take back what must not be there, and
    /// leave half of the room to touches.
    pub(crate) fn share(&mut self, room: usize, now: Duration, signalled: Generation) -> usize {
        let is_time = self.full
            || self.seen != Some(signalled)
            || self.last.is_none_or(|last| now.saturating_sub(last) >= BREATH);
        // Of a single request each has every other.
        let passes = room == 1 && std::mem::take(&mut self.went);
        if is_time && !passes { room.div_ceil(2) } else { 0 }
    }

    /// What a look came to: of so many that were asked for, so many.
    pub(crate) fn took(&mut self, (share, count): (usize, usize), now: Duration, signalled: Generation) {
        if share == 0 {
            return;
        }
        (self.last, self.seen) = (Some(now), Some(signalled));
        (self.full, self.went) = (count == share, count > 0);
    }

    /// Whether to look again at once.
    pub(crate) fn more(&self) -> bool {
        self.full
    }
}

/// Takes commands that are begun at once: the lease need only last as long as the longest request.
pub(crate) async fn take(line: &Line, limit: usize) -> StoreResult<Vec<Command>> {
    let lease = send::time_limit(line.connector.traits()).saturating_add(upkeep::HUNG);
    line.deps.commands.due_commands(Take { connector: line.connector.name().clone(), limit, lease }).await
}

/// A command that was carried out, or not.
pub(crate) struct Carried {
    pub(crate) answer: Answer,
    /// Whether the whole connection is to wait.
    pub(crate) pause: Option<Pause>,
    pub(crate) reached: Reached,
    /// When its request started (monotonic).
    pub(crate) started: Duration,
}

impl Carried {
    /// Tries again by then: that the CRM is away is no failure of the command.
    pub(crate) fn again_by(&mut self, by: Timestamp) {
        if let CommandResult::Again(at, why) = &mut self.answer.1 {
            self.answer.1 = CommandResult::Wait(by.min(*at), std::mem::take(why));
        }
    }
}

/// Carries a command out, which may take as long as a request may, and says how it ended.
pub(crate) async fn carry_out(line: &Line, command: Command, may_start: MayStart) -> Carried {
    let started = line.deps.clock.monotonic();
    if may_start != MayStart::Yes {
        let wait = CommandResult::Wait(line.deps.clock.now(), "its permit ran out".to_owned());
        return Carried { answer: (command.id, wait), pause: None, reached: Reached::Unsaid, started };
    }
    let connector = line.connector.as_ref();
    let CommandAction::Withdraw { reason } = &command.action;
    let limit = send::time_limit(connector.traits());
    let span = tracing::info_span!(
        "dispatch.withdraw",
        touch.key = %command.key,
        connector = %connector.name(),
    );
    let done = tokio::time::timeout(limit, withdraw(connector, &command, reason).instrument(span))
        .await
        .unwrap_or_else(|_| Err(ConnectorError::Unknown("no answer in time".to_owned())));
    let reached = verdict::reached(&done);
    let Err(error) = done else {
        return Carried { answer: (command.id, CommandResult::Done), pause: None, reached, started };
    };
    let pause = verdict::pause(&error);
    let result = match &error {
        ConnectorError::Rejected(why) => CommandResult::GivenUp(why.clone()),
        // To be told to wait is no failure.
        ConnectorError::RateLimited { .. } => CommandResult::Wait(
            later(&line.deps, pause.map_or(Duration::ZERO, |pause| pause.wait)),
            error.to_string(),
        ),
        // As with touches: so long after it failed first.
        _ if command.tries > 0 && age(line, &command) >= line.settings.give_up_after => {
            CommandResult::GivenUp(error.to_string())
        }
        _ => {
            let failed = i32::try_from(command.tries).unwrap_or(i32::MAX).saturating_add(1);
            let wait = backoff::delay(command.key, failed);
            CommandResult::Again(later(&line.deps, wait), error.to_string())
        }
    };
    if let CommandResult::GivenUp(why) = &result {
        line.deps.observer.left(connector.name().as_str());
        tracing::warn!(touch = %command.touch, connector = %connector.name(), reason = why, "a task could not be taken back and stays");
    }
    Carried { answer: (command.id, result), pause, reached, started }
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

fn age(line: &Line, command: &Command) -> Duration {
    Duration::try_from(line.deps.clock.now().duration_since(command.since)).unwrap_or_default()
}

fn later(deps: &Deps, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    deps.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// Writes answers until the queue ends; while the store is away, they wait here.
pub(crate) async fn finish(deps: Arc<Deps>, mut queue: mpsc::Receiver<Answer>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let answers = std::mem::take(&mut batch);
        while let Err(error) = deps.commands.finish_commands(answers.clone()).await {
            if !error.is_transient() {
                tracing::error!(error = %error, count = answers.len(), "commands cannot be answered; they are tried again");
                break;
            }
            tracing::warn!(error = %error, "answers wait for the store");
            tokio::time::sleep(PATIENCE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn commands_leave_half_of_the_room_and_take_turns_for_a_single_place() {
        let mut looks = Looks::default();

        assert_eq!(looks.share(8, at(0), Generation(0)), 4);
        looks.took((4, 4), at(0), Generation(0));
        assert_eq!((looks.more(), looks.share(1, at(1), Generation(0))), (true, 0), "a touch's turn");
        assert_eq!(looks.share(1, at(2), Generation(0)), 1);
    }

    #[test]
    fn commands_are_looked_for_when_signalled_and_now_and_then() {
        let mut looks = Looks::default();
        looks.took((4, 2), at(0), Generation(0));

        assert_eq!(looks.share(8, at(149), Generation(0)), 0);
        assert_eq!(looks.share(8, at(149), Generation(1)), 4);
        assert_eq!(looks.share(8, at(150), Generation(0)), 4);
        assert!(!looks.more());
    }
}
