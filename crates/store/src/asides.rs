//! Quarantined deliveries and dead letters, as projected from their topics.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::id::Workspace;
use ports::StoreResult;
use ports::relay::{AsideList, Asides, SetAside};
use ports::unit::Advance;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use crate::Store;
use crate::entity::aside;
use crate::error::{Fail, known};
use crate::session::{Tx, Work};
use crate::sql::{RowSet, micros, moment};
use crate::tables::insert_from;
use crate::unit::advance;

/// The name of the list of dead letters, as stored.
pub(crate) const DEAD_LETTER: &str = "deadletter";

fn list_name(list: AsideList) -> &'static str {
    match list {
        AsideList::Quarantine => "quarantine",
        AsideList::DeadLetter => DEAD_LETTER,
    }
}

fn convert(row: aside::Model) -> StoreResult<SetAside> {
    let lists = [AsideList::Quarantine, AsideList::DeadLetter];
    Ok(SetAside {
        id: row.id,
        list: known(lists.into_iter().find(|list| list_name(*list) == row.list), "list")?,
        workspace: crate::tables::workspace(row.workspace)?,
        source: row.source,
        code: row.code,
        text: row.text,
        at: moment(row.at),
        payload: row.payload,
        place: row.place,
        redriven_at: row.redriven_at.map(moment),
    })
}

struct Project {
    rows: Vec<SetAside>,
    advance: Option<Advance>,
}

#[async_trait]
impl Work for Project {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        // Once each, in key order: two that project the same places wait for each other in one order.
        let rows: BTreeMap<(&str, &str, &str), &SetAside> = self
            .rows
            .iter()
            .map(|row| ((list_name(row.list), row.workspace.as_str(), row.place.as_str()), row))
            .collect();
        if !rows.is_empty() {
            let all = rows.values();
            let set = RowSet::new(rows.len())
                .text("list", all.clone().map(|row| list_name(row.list)))
                .text("workspace", all.clone().map(|row| row.workspace.as_str()))
                .text("source", all.clone().map(|row| row.source.as_str()))
                .text("code", all.clone().map(|row| row.code.as_str()))
                .text("text", all.clone().map(|row| row.text.as_str()))
                .int("at", all.clone().map(|row| micros(row.at)))
                .bytes("payload", all.clone().map(|row| row.payload.clone()))
                .text("place", all.clone().map(|row| row.place.as_str()))
                .opt_int("redriven_at", all.map(|row| row.redriven_at.map(micros)));
            let stmt =
                insert_from(&tx.conn, "asides", set).sql(" on conflict (list, workspace, place) do nothing");
            tx.conn.run(stmt).await?;
        }
        advance(&mut tx.conn, self.advance.as_slice()).await
    }
}

struct Redriven {
    list: AsideList,
    ids: Vec<i64>,
}

#[async_trait]
impl Work for Redriven {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), Fail> {
        let now = micros(tx.wall().await?);
        let stmt = tx
            .conn
            .stmt("update asides set redriven_at = ")
            .bind(now)
            .sql(" where list = ")
            .bind(list_name(self.list))
            .sql(" and id")
            .any(self.ids.iter().copied());
        tx.conn.run(stmt).await.map(drop)
    }
}

#[async_trait]
impl Asides for Store {
    async fn project(&self, rows: Vec<SetAside>, advance: Option<Advance>) -> StoreResult<()> {
        self.database.transact(Arc::new(Project { rows, advance })).await.map_err(Fail::into_error)
    }

    async fn list(
        &self,
        list: AsideList,
        workspace: &Workspace,
        before: Option<i64>,
        limit: usize,
    ) -> StoreResult<Vec<SetAside>> {
        let rows = aside::Entity::find()
            .filter(aside::Column::Workspace.eq(workspace.as_str()))
            .filter(aside::Column::List.eq(list_name(list)))
            .filter(aside::Column::Id.lt(before.unwrap_or(i64::MAX)))
            .order_by_desc(aside::Column::Id)
            .limit(u64::try_from(limit).unwrap_or(u64::MAX))
            .all(&self.database.orm())
            .await
            .map_err(|error| Fail::from(error).into_error())?;
        rows.into_iter().map(convert).collect()
    }

    async fn find(&self, list: AsideList, workspace: &Workspace, id: i64) -> StoreResult<Option<SetAside>> {
        let row = aside::Entity::find_by_id(id)
            .filter(aside::Column::Workspace.eq(workspace.as_str()))
            .filter(aside::Column::List.eq(list_name(list)))
            .one(&self.database.orm())
            .await
            .map_err(|error| Fail::from(error).into_error())?;
        row.map(convert).transpose()
    }

    async fn redriven(&self, list: AsideList, ids: &[i64]) -> StoreResult<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let work = Redriven { list, ids: ids.to_vec() };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }
}
