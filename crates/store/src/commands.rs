//! What the dispatcher is to do at CRMs.
//!
//! A command is leased by moving its due time on: a dispatcher that dies leaves it to the next after a minute.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::id::{TouchId, TouchKey};
use domain::touch::Channel;
use ports::StoreResult;
use ports::dispatch::{Command, CommandResult, Commands, WorkerId};

use crate::Store;
use crate::error::{Fail, known};
use crate::session::{Tx, Work};
use crate::sql::{Row, RowSet, from_json, micros};
use crate::tables::{name, workspace};

/// How long a dispatcher has for a command.
const LEASE: Duration = Duration::from_secs(60);

struct Due {
    worker: WorkerId,
    limit: i64,
}

#[async_trait]
impl Work for Due {
    type Out = Vec<Command>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Command>, Fail> {
        let now = tx.wall().await?;
        let until = micros(now.saturating_add(LEASE).unwrap_or(now));
        // The attempt of a touch that is on its way must end before its task can be taken back.
        let lock = tx
            .conn
            .stmt("select c.id from commands c where c.done_at is null and c.due_at <= ")
            .bind(micros(now))
            .sql(" and not exists (select 1 from touches t where t.id = c.touch and t.state = 'sending')")
            .sql(" order by c.due_at, c.id limit ")
            .bind(self.limit)
            .lock_free("c");
        let mut ids = Vec::new();
        for row in tx.conn.fetch(lock).await? {
            ids.push(row.cursor().int()?);
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let stmt = tx
            .conn
            .stmt("update commands set due_at = ")
            .bind(until)
            .sql(" where id")
            .any(ids.iter().copied());
        tx.conn.run_exactly(stmt, ids.len(), "commands").await?;
        let stmt = tx
            .conn
            .stmt("select c.id, c.workspace, c.connector, c.touch, t.uid, t.remote_id, c.channel, c.action, c.tries ")
            .sql("from commands c join touches t on t.id = c.touch where c.id")
            .any(ids.iter().copied())
            .sql(" order by c.id");
        let rows = tx.conn.fetch(stmt).await?;
        tracing::debug!(worker = %self.worker.0, commands = rows.len(), "commands were taken");
        Ok(rows.iter().map(read).collect::<StoreResult<_>>()?)
    }
}

fn read(row: &Row) -> StoreResult<Command> {
    let mut row = row.cursor();
    Ok(Command {
        id: row.int()?,
        workspace: workspace(row.text()?)?,
        connector: name(row.text()?, "connector")?,
        touch: TouchId(row.int()?),
        key: TouchKey(row.uuid()?),
        remote_id: row.opt_text()?,
        channel: known(Channel::parse(&row.text()?), "channel")?,
        action: from_json(&row.text()?, "command")?,
        tries: row.small()?,
    })
}

struct Finish(Vec<(i64, CommandResult)>);

#[async_trait]
impl Work for Finish {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        let now = micros(tx.wall().await?);
        let lock = tx
            .conn
            .stmt("select c.id from commands c where c.id")
            .any(self.0.iter().map(|(id, _)| *id))
            .sql(" order by c.id")
            .lock("c");
        tx.conn.fetch(lock).await?;
        let again = |result: &CommandResult| match result {
            CommandResult::Again(at, _) => Some(micros(*at)),
            CommandResult::Done | CommandResult::GivenUp(_) => None,
        };
        let text = |result: &CommandResult| match result {
            CommandResult::Done => "done".to_owned(),
            CommandResult::Again(_, why) => format!("again: {why}"),
            CommandResult::GivenUp(why) => format!("given up: {why}"),
        };
        let set = RowSet::new(self.0.len())
            .int("id", self.0.iter().map(|(id, _)| *id))
            .opt_int("again", self.0.iter().map(|(_, result)| again(result)))
            .opt_int("done", self.0.iter().map(|(_, result)| again(result).is_none().then_some(now)))
            .text("result", self.0.iter().map(|(_, result)| text(result)));
        let stmt = tx
            .conn
            .stmt("update commands set tries = tries + 1, due_at = coalesce(v.again, due_at), done_at = v.done, ")
            .sql("result = v.result from ")
            .rows(set)
            .sql(" where commands.id = v.id and commands.done_at is null");
        tx.conn.run(stmt).await.map(drop)
    }
}

#[async_trait]
impl Commands for Store {
    async fn due_commands(&self, worker: WorkerId, limit: usize) -> StoreResult<Vec<Command>> {
        let work = Due { worker, limit: i64::try_from(limit).unwrap_or(i64::MAX) };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }

    async fn finish_commands(&self, results: Vec<(i64, CommandResult)>) -> StoreResult<()> {
        if results.is_empty() {
            return Ok(());
        }
        self.database.transact(Arc::new(Finish(results))).await.map_err(Fail::into_error)
    }
}
