//! The stored texts, and the count of their changes.

use std::sync::Arc;

use async_trait::async_trait;
use domain::id::{VersionId, Workspace};
use ports::content::{Activation, Applied, Content, Document, DocumentKind, NewDocument};
use ports::{StoreError, StoreResult};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use crate::Store;
use crate::entity::document;
use crate::error::{Fail, known};
use crate::session::{Tx, Work};
use crate::sql::{Conn, Row, micros, moment};
use crate::tables::enrollment::LIVE;

const COLUMNS: &str =
    "d.id, d.workspace, d.kind, d.name, d.number, d.body, d.is_current, d.actor, d.created_at";

fn read(row: &Row) -> StoreResult<Document> {
    let mut row = row.cursor();
    convert(document::Model {
        id: row.int()?,
        workspace: row.text()?,
        kind: row.text()?,
        name: row.text()?,
        number: row.small()?,
        body: row.text()?,
        is_current: row.small()?,
        actor: row.text()?,
        created_at: row.int()?,
    })
}

fn convert(row: document::Model) -> StoreResult<Document> {
    Ok(Document {
        version: VersionId(row.id),
        number: u32::try_from(row.number).unwrap_or_default(),
        workspace: crate::tables::workspace(row.workspace)?,
        kind: known(DocumentKind::parse(&row.kind), "kind of document")?,
        name: row.name,
        text: row.body,
        current: row.is_current != 0,
        actor: row.actor,
        created_at: moment(row.created_at),
    })
}

async fn epoch(conn: &mut Conn) -> Result<i64, Fail> {
    let stmt = conn.stmt("select value from counters where name = 'epoch'");
    let row = conn.first(stmt).await?;
    let row = row.ok_or_else(|| StoreError::Inconsistent("the count of changes is gone".to_owned()))?;
    Ok(row.cursor().int()?)
}

struct Apply {
    documents: Vec<NewDocument>,
    activation: Activation,
    actor: String,
    /// A row id for each document.
    ids: Vec<i64>,
}

/// A version that there is.
struct Version {
    id: i64,
    number: u32,
    text: String,
    current: bool,
}

#[async_trait]
impl Work for Apply {
    type Out = Vec<Applied>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Applied>, Fail> {
        // One apply at a time: the numbers of versions have no holes and the epoch counts each.
        let lock = tx.conn.stmt("select value from counters c where name = 'epoch'").lock("c");
        tx.conn.fetch(lock).await?;
        let mut applied = Vec::with_capacity(self.documents.len());
        for (document, id) in self.documents.iter().zip(&self.ids) {
            applied.push(self.one(tx, document, *id).await?);
        }
        if applied.iter().any(|one| matches!(one, Applied::Version { .. })) {
            let stmt = tx.conn.stmt("update counters set value = value + 1 where name = 'epoch'");
            tx.conn.run_exactly(stmt, 1, "counters").await?;
        }
        Ok(applied)
    }
}

impl Apply {
    async fn one(&self, tx: &mut Tx, document: &NewDocument, id: i64) -> Result<Applied, Fail> {
        let versions = versions(&mut tx.conn, document).await?;
        let latest = versions.first();
        let current = versions.iter().find(|one| one.current);
        let same = |one: &&Version| one.text == document.text;
        match self.activation {
            Activation::Activate => {
                if current.filter(same).is_some() {
                    return Ok(Applied::Unchanged);
                }
                self.clear(tx, document).await?;
                // A draft that is activated keeps its number.
                if let Some(draft) = latest.filter(same) {
                    let stmt = tx.conn.stmt("update documents set is_current = 1 where id = ").bind(draft.id);
                    tx.conn.run_exactly(stmt, 1, "documents").await?;
                    return Ok(Applied::Version { version: VersionId(draft.id), number: draft.number });
                }
            }
            Activation::Draft => {
                if latest.filter(same).is_some() {
                    return Ok(Applied::Unchanged);
                }
            }
        }
        let number = latest.map_or(1, |one| one.number + 1);
        self.insert(tx, document, (id, number)).await?;
        let version = VersionId(id);
        Ok(match self.activation {
            Activation::Activate => Applied::Version { version, number },
            Activation::Draft => Applied::Draft { version, number },
        })
    }

    async fn clear(&self, tx: &mut Tx, document: &NewDocument) -> Result<(), Fail> {
        let stmt = tx
            .conn
            .stmt("update documents set is_current = 0 where is_current = 1 and workspace = ")
            .bind(document.workspace.as_str())
            .sql(" and kind = ")
            .bind(document.kind.as_str())
            .sql(" and name = ")
            .bind(document.name.as_str());
        tx.conn.run(stmt).await.map(drop)
    }

    async fn insert(
        &self,
        tx: &mut Tx,
        document: &NewDocument,
        (id, number): (i64, u32),
    ) -> Result<(), Fail> {
        let now = micros(tx.wall().await?);
        let current = i64::from(self.activation == Activation::Activate);
        let stmt = tx
            .conn
            .stmt("insert into documents (id, workspace, kind, name, number, body, is_current, actor, created_at) values (")
            .bind(id)
            .sql(", ")
            .bind(document.workspace.as_str())
            .sql(", ")
            .bind(document.kind.as_str())
            .sql(", ")
            .bind(document.name.as_str())
            .sql(", ")
            .bind(i64::from(number))
            .sql(", ")
            .bind(document.text.as_str())
            .sql(", ")
            .bind(current)
            .sql(", ")
            .bind(self.actor.as_str())
            .sql(", ")
            .bind(now)
            .sql(")");
        tx.conn.run_exactly(stmt, 1, "documents").await
    }
}

/// The versions of a document, the latest first.
async fn versions(conn: &mut Conn, document: &NewDocument) -> Result<Vec<Version>, Fail> {
    let stmt = conn
        .stmt("select id, number, body, is_current from documents where workspace = ")
        .bind(document.workspace.as_str())
        .sql(" and kind = ")
        .bind(document.kind.as_str())
        .sql(" and name = ")
        .bind(document.name.as_str())
        .sql(" order by number desc");
    let mut versions = Vec::new();
    for row in conn.fetch(stmt).await? {
        let mut row = row.cursor();
        versions.push(Version {
            id: row.int()?,
            number: row.small()?,
            text: row.text()?,
            current: row.int()? != 0,
        });
    }
    Ok(versions)
}

/// How many versions before the current one are in force too: a batch that began under one of them may still commit the
/// first enrollment of it.
const SUPERSEDED: u32 = 3;

#[async_trait]
impl Content for Store {
    async fn epoch(&self) -> StoreResult<i64> {
        let read = async {
            let mut conn = self.database.reader().await?;
            epoch(&mut conn).await
        };
        self.reading(read).await
    }

    async fn in_force(&self) -> StoreResult<(i64, Vec<Document>)> {
        let read_all = async {
            let mut conn = self.database.snapshot().await?;
            let epoch = epoch(&mut conn).await?;
            let stmt = conn.stmt(&format!(
                "select {COLUMNS} from documents d where d.is_current = 1 or (d.kind = 'Cadence' and exists \
                 (select 1 from enrollments e where e.version = d.id and e.{LIVE})) \
                 or (d.kind = 'Cadence' and exists (select 1 from documents c where c.workspace = d.workspace \
                 and c.kind = d.kind and c.name = d.name and c.is_current = 1 and d.number < c.number \
                 and d.number >= c.number - {SUPERSEDED})) order by d.workspace, d.kind, d.name, d.number"
            ));
            let rows = conn.fetch(stmt).await?;
            let documents: Vec<Document> = rows.iter().map(read).collect::<StoreResult<_>>()?;
            Ok((epoch, documents))
        };
        self.reading(read_all).await
    }

    async fn apply(
        &self,
        documents: Vec<NewDocument>,
        activation: Activation,
        actor: &str,
    ) -> StoreResult<Vec<Applied>> {
        let count = i64::try_from(documents.len()).unwrap_or(i64::MAX);
        let ids = self.ids.block(&self.database, count).await.map_err(Fail::into_error)?.collect();
        let work = Apply { documents, activation, actor: actor.to_owned(), ids };
        self.database.transact(Arc::new(work)).await.map_err(Fail::into_error)
    }

    async fn current(&self, workspace: &Workspace) -> StoreResult<Vec<Document>> {
        let rows = document::Entity::find()
            .filter(document::Column::Workspace.eq(workspace.as_str()))
            .filter(document::Column::IsCurrent.eq(1))
            .order_by_asc(document::Column::Kind)
            .order_by_asc(document::Column::Name)
            .all(&self.database.orm())
            .await
            .map_err(|error| Fail::from(error).into_error())?;
        rows.into_iter().map(convert).collect()
    }
}
