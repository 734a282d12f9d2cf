//! Flags: what stops sending without touching the touches, and the epoch locks under which they change.
//!
//! The epoch locks are advisory locks of the transaction, one for all and one for each workspace. Marks take them
//! shared; a flag changes under the exclusive one, in a short transaction that fans out nothing. Their queue is fair, so
//! a flag waits for the marks that run and for no later one. On SQLite the one writer is the lock.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::id::Workspace;
use domain::touch::HeldReason;
use ports::StoreResult;
use ports::dispatch::{Flag, FlagKeys, FlagState, Flags};
use ports::wake::Wake;

use crate::Store;
use crate::error::Fail;
use crate::session::{Tx, Work};
use crate::sql::{Conn, Dialect, micros};
use crate::tables::name;

/// The first half of the advisory locks' keys ("drum" in ASCII); the second is 0 for all, else of the workspace's name.
const CLASS: i64 = 0x6472_756d;

/// The second half of a workspace's lock; never 0, which is the lock of all.
fn lock_of(workspace: &Workspace) -> i64 {
    let hash = workspace
        .as_str()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i64::from(hash >> 1) + 1 - i64::from(hash >> 1 == u32::MAX >> 1)
}

/// Takes the epoch locks shared: that of all first, then the workspaces', sorted.
pub(crate) async fn share_epochs(conn: &mut Conn, workspaces: &BTreeSet<&Workspace>) -> Result<(), Fail> {
    if conn.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    let locks: BTreeSet<i64> = std::iter::once(0).chain(workspaces.iter().map(|one| lock_of(one))).collect();
    let stmt = conn
        .stmt("select pg_advisory_xact_lock_shared(")
        .bind(CLASS)
        .sql("::int, k::int) from unnest(")
        .ints(locks.into_iter().map(Some).collect())
        .sql(") as k");
    conn.fetch(stmt).await.map(drop)
}

/// The flags that are set.
#[derive(Debug, Default)]
pub(crate) struct Stops(BTreeSet<Flag>);

impl Stops {
    /// Why a touch may not go; the widest flag is named.
    pub(crate) fn reason(&self, keys: &FlagKeys) -> Option<HeldReason> {
        if self.0.is_empty() {
            return None;
        }
        let workspace = &keys.workspace;
        let owner = keys.owner.as_ref().map(|owner| Flag::Owner(workspace.clone(), owner.clone()));
        let candidates = [
            (Some(Flag::All), HeldReason::All),
            (Some(Flag::Workspace(workspace.clone())), HeldReason::Workspace),
            (Some(Flag::Connector(keys.connector.clone())), HeldReason::Connector),
            (Some(Flag::Cadence(workspace.clone(), keys.cadence.clone())), HeldReason::Cadence),
            (owner, HeldReason::Owner),
        ];
        let stopped = |(flag, reason): (Option<Flag>, HeldReason)| {
            flag.is_some_and(|flag| self.0.contains(&flag)).then_some(reason)
        };
        candidates.into_iter().find_map(stopped)
    }
}

/// Reads the flags.
pub(crate) async fn stops(conn: &mut Conn) -> Result<Stops, Fail> {
    let stmt = conn.stmt("select scope, workspace, name from flags");
    let mut flags = BTreeSet::new();
    for row in conn.fetch(stmt).await? {
        let mut row = row.cursor();
        let (scope, workspace, name) = (row.text()?, row.text()?, row.text()?);
        flags.insert(flag(&scope, workspace, name)?);
    }
    Ok(Stops(flags))
}

fn flag(scope: &str, workspace: String, text: String) -> StoreResult<Flag> {
    let at = |workspace: String| crate::tables::workspace(workspace);
    Ok(match scope {
        "all" => Flag::All,
        "workspace" => Flag::Workspace(at(workspace)?),
        "cadence" => Flag::Cadence(at(workspace)?, name(text, "cadence")?),
        "owner" => Flag::Owner(at(workspace)?, name(text, "owner")?),
        "connector" => Flag::Connector(name(text, "connector")?),
        _ => return crate::error::known(None, "flag"),
    })
}

/// A flag as scope, workspace and name.
fn parts(flag: &Flag) -> (&'static str, &str, &str) {
    match flag {
        Flag::All => ("all", "", ""),
        Flag::Workspace(workspace) => ("workspace", workspace.as_str(), ""),
        Flag::Cadence(workspace, cadence) => ("cadence", workspace.as_str(), cadence.as_str()),
        Flag::Owner(workspace, owner) => ("owner", workspace.as_str(), owner.as_str()),
        Flag::Connector(connector) => ("connector", "", connector.as_str()),
    }
}

struct SetFlag {
    flag: Flag,
    state: FlagState,
    actor: String,
}

#[async_trait]
impl Work for SetFlag {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        let (scope, workspace, name) = parts(&self.flag);
        if tx.conn.dialect() == Dialect::Postgres {
            let lock = match &self.flag {
                Flag::All | Flag::Connector(_) => 0,
                Flag::Workspace(workspace) | Flag::Cadence(workspace, _) | Flag::Owner(workspace, _) => {
                    lock_of(workspace)
                }
            };
            let stmt = tx
                .conn
                .stmt("select pg_advisory_xact_lock(")
                .bind(CLASS)
                .sql("::int, ")
                .bind(lock)
                .sql("::int)");
            tx.conn.fetch(stmt).await?;
        }
        let stmt = match self.state {
            FlagState::Stopped => {
                let now = micros(tx.wall().await?);
                tx.conn
                    .stmt("insert into flags (scope, workspace, name, actor, set_at) values (")
                    .bind(scope)
                    .sql(", ")
                    .bind(workspace)
                    .sql(", ")
                    .bind(name)
                    .sql(", ")
                    .bind(self.actor.as_str())
                    .sql(", ")
                    .bind(now)
                    .sql(") on conflict do nothing")
            }
            FlagState::Clear => tx
                .conn
                .stmt("delete from flags where scope = ")
                .bind(scope)
                .sql(" and workspace = ")
                .bind(workspace)
                .sql(" and name = ")
                .bind(name),
        };
        tx.conn.run(stmt).await.map(drop)
    }
}

#[async_trait]
impl Flags for Store {
    async fn set_flag(&self, flag: Flag, state: FlagState, actor: &str) -> StoreResult<()> {
        let work = SetFlag { flag, state, actor: actor.to_owned() };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)?;
        if state == FlagState::Clear {
            self.signals.raise(Wake::Touches);
        }
        Ok(())
    }

    async fn stopped(&self) -> StoreResult<Vec<Flag>> {
        let read = async {
            let mut conn = self.database.reader().await?;
            Ok(stops(&mut conn).await?.0.into_iter().collect())
        };
        self.reading(read).await
    }
}
