//! What the dispatcher is to do at CRMs.
//!
//! A command is leased by moving its due time on: a dispatcher that dies leaves it to the next.

use std::sync::Arc;

use async_trait::async_trait;
use domain::id::{ConnectorName, TouchId, TouchKey, Workspace};
use domain::touch::Channel;
use ports::StoreResult;
use ports::dispatch::{Command, CommandResult, Commands, Stray, Take};
use ports::wake::Wake;

use crate::Store;
use crate::error::{Fail, known};
use crate::session::{Tx, Work};
use crate::sql::{Conn, Dialect, Row, RowSet, Stmt, from_json, micros, moment};
use crate::tables::{name, workspace};

struct Due(Take);

/// A connector's commands that are due: a walk of the partial index, whose own words the first predicate is. The attempt of
/// a touch that is on its way must end before its task can be taken back.
fn due_stmt(dialect: Dialect, (connector, now): (&ConnectorName, i64), limit: i64) -> Stmt {
    Stmt::new(dialect, "select c.id from commands c where c.done_at is null and c.connector = ")
        .bind(connector.as_str())
        .sql(" and c.due_at <= ")
        .bind(now)
        .sql(" and not exists (select 1 from touches t where t.id = c.touch and t.state = 'sending')")
        .sql(" order by c.due_at, c.id limit ")
        .bind(limit)
}

/// How the database finds them: its plan, line by line.
pub(crate) async fn plan(conn: &mut Conn, connector: &ConnectorName) -> Result<Vec<String>, Fail> {
    let stmt = due_stmt(conn.dialect(), (connector, 0), 100);
    conn.plan(stmt).await
}

#[async_trait]
impl Work for Due {
    type Out = Vec<Command>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Command>, Fail> {
        let now = tx.wall().await?;
        let until = micros(now.saturating_add(self.0.lease).unwrap_or(now));
        let limit = i64::try_from(self.0.limit).unwrap_or(i64::MAX);
        let lock = due_stmt(tx.conn.dialect(), (&self.0.connector, micros(now)), limit).lock_free("c");
        let ids = tx.conn.ids(lock).await?;
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
            .stmt("select c.id, c.workspace, c.connector, c.touch, t.uid, t.remote_id, c.channel, c.action, c.tries, ")
            .sql("c.created_at from commands c join touches t on t.id = c.touch where c.id")
            .any(ids.iter().copied())
            .sql(" order by c.id");
        let rows = tx.conn.fetch(stmt).await?;
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
        since: moment(row.int()?),
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
            CommandResult::Again(at, _) | CommandResult::Wait(at, _) => Some(micros(*at)),
            CommandResult::Done | CommandResult::GivenUp(_) => None,
        };
        let failed = |result: &CommandResult| i64::from(!matches!(result, CommandResult::Wait(..)));
        let text = |result: &CommandResult| match result {
            CommandResult::Done => "done".to_owned(),
            CommandResult::Again(_, why) => format!("again: {why}"),
            CommandResult::Wait(_, why) => format!("waits: {why}"),
            CommandResult::GivenUp(why) => format!("{GIVEN_UP}{why}"),
        };
        let set = RowSet::new(self.0.len())
            .int("id", self.0.iter().map(|(id, _)| *id))
            .opt_int("again", self.0.iter().map(|(_, result)| again(result)))
            .int("failed", self.0.iter().map(|(_, result)| failed(result)))
            .opt_int("done", self.0.iter().map(|(_, result)| again(result).is_none().then_some(now)))
            .text("result", self.0.iter().map(|(_, result)| text(result)));
        let stmt = tx
            .conn
            .stmt("update commands set tries = tries + v.failed, due_at = coalesce(v.again, due_at), done_at = v.done, ")
            // What waited long, for a dispatcher or a connector, has its day from its first failure on.
            .sql("created_at = case when tries = 0 and v.failed = 1 then ")
            .bind(now)
            .sql(" else created_at end, ")
            .sql("result = v.result from ")
            .rows(set)
            .sql(" where commands.id = v.id and commands.done_at is null");
        tx.conn.run(stmt).await.map(drop)
    }
}

struct Wait {
    known: Vec<ConnectorName>,
    stray: Stray,
}

impl Wait {
    /// The undone commands of connectors that are not known.
    fn strays(&self, conn: &Conn) -> Stmt {
        let known: Vec<String> = self.known.iter().map(|one| one.as_str().to_owned()).collect();
        conn.stmt("select c.id from commands c where c.done_at is null and not (c.connector")
            .any_text(known)
            .sql(")")
    }

    /// Writes why on commands under lock; with the time at which they are given up, if they are.
    async fn note(
        &self,
        tx: &mut Tx,
        ids: Vec<i64>,
        (word, done): (&str, Option<i64>),
    ) -> Result<usize, Fail> {
        if ids.is_empty() {
            return Ok(0);
        }
        let stmt = tx
            .conn
            .stmt("update commands set result = ")
            .bind(word)
            .sql(" || ': connector ' || connector || ' is not configured', done_at = ")
            .bind(done)
            .sql(" where id")
            .any(ids.iter().copied());
        tx.conn.run_exactly(stmt, ids.len(), "commands").await?;
        Ok(ids.len())
    }
}

#[async_trait]
impl Work for Wait {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let slice = i64::try_from(self.stray.slice).unwrap_or(i64::MAX);
        let now = tx.wall().await?;
        let before = micros(now.saturating_sub(self.stray.patience).unwrap_or(now));
        let old = self
            .strays(&tx.conn)
            .sql(" and c.created_at <= ")
            .bind(before)
            .sql(" order by +c.id limit ")
            .bind(slice)
            .lock_free("c");
        let old = tx.conn.ids(old).await?;
        let given_up = self.note(tx, old, ("given up", Some(micros(now)))).await?;
        let new = self
            .strays(&tx.conn)
            .sql(" and (c.result is null or c.result not like 'waits: connector %') order by +c.id limit ")
            .bind(slice)
            .lock_free("c");
        let new = tx.conn.ids(new).await?;
        Ok(given_up + self.note(tx, new, ("waits", None)).await?)
    }
}

/// What an answer begins with that is the last one, and no success.
pub(crate) const GIVEN_UP: &str = "given up: ";

struct Again(Workspace, TouchKey);

#[async_trait]
impl Work for Again {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let now = micros(tx.wall().await?);
        let lock = tx
            .conn
            .stmt("select c.id from commands c where c.touch = (select t.id from touches t where t.uid = ")
            .bind(self.1.0)
            .sql(" and t.workspace = ")
            .bind(self.0.as_str())
            .sql(&format!(") and c.done_at is not null and c.result like '{GIVEN_UP}%' order by c.id"))
            .lock("c");
        let ids = tx.conn.ids(lock).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let stmt = tx
            .conn
            .stmt("update commands set done_at = null, tries = 0, result = 'again', created_at = ")
            .bind(now)
            .sql(", due_at = ")
            .bind(now)
            .sql(" where id")
            .any(ids.iter().copied());
        tx.conn.run_exactly(stmt, ids.len(), "commands").await?;
        Ok(ids.len())
    }
}

#[async_trait]
impl Commands for Store {
    async fn due_commands(&self, take: Take) -> StoreResult<Vec<Command>> {
        // Mostly there are none: that is found out without a lock, and without the one writer of a file.
        let look = async {
            let mut conn = self.database.reader().await?;
            let now = self.database.time.wall(&mut conn).await?;
            let stmt = due_stmt(conn.dialect(), (&take.connector, micros(now)), 1);
            Ok(conn.first(stmt).await?.is_some())
        };
        if take.limit == 0 || !self.reading(look).await? {
            return Ok(Vec::new());
        }
        self.database.transact(Arc::new(Due(take))).await.map_err(Fail::into_error)
    }

    async fn finish_commands(&self, results: Vec<(i64, CommandResult)>) -> StoreResult<()> {
        if results.is_empty() {
            return Ok(());
        }
        self.database.transact(Arc::new(Finish(results))).await.map_err(Fail::into_error)
    }

    async fn command_again(&self, workspace: &Workspace, touch: TouchKey) -> StoreResult<usize> {
        let work = Again(workspace.clone(), touch);
        let again = self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)?;
        if again > 0 {
            self.signals.raise(Wake::Commands);
        }
        Ok(again)
    }

    async fn stray_commands(&self, known: &[ConnectorName], stray: Stray) -> StoreResult<usize> {
        let work = Wait { known: known.to_vec(), stray };
        let look = async {
            let mut conn = self.database.reader().await?;
            let stmt = work.strays(&conn).sql(" limit 1");
            Ok(conn.first(stmt).await?.is_some())
        };
        if !self.reading(look).await? {
            return Ok(0);
        }
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }
}
