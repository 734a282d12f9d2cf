//! Finding what is due, by reading only. The partial index of timers is met by literal predicates.

use domain::id::{ConnectorName, Shard, TouchId};
use domain::touch::Lane;
use jiff::Timestamp;
use ports::StoreResult;
use ports::dispatch::{Pick, Picked};

use crate::Store;
use crate::error::{Fail, known};
use crate::sql::{Dialect, Row, Stmt, micros, moment};
use crate::tables::workspace;

/// What a timer of a touch that may go looks like; the index's own words.
pub(crate) const FREE: &str = "m.held is null and m.lane is not null";

/// The statement of [`pick`], apart so that its plan can be looked at: the earliest of each workspace, each by a walk of
/// its own in the index. The shards are bits of a number, so that no plan takes them for a way into the index and sorts.
pub(crate) fn pick_stmt(dialect: Dialect, pick: &Pick, now: i64) -> Stmt {
    let workspaces = pick.workspaces.iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>();
    let shards = pick.shards.iter().fold(0_i64, |bits, shard| bits | (1 << shard.0));
    let each = i64::try_from(pick.each).unwrap_or(i64::MAX);
    let due = |stmt: Stmt, workspace: &str| {
        stmt.sql(&format!(" where {FREE} and m.lane = "))
            .bind(pick.lane.to_text())
            .sql(&format!(" and m.workspace = {workspace} and m.due_at <= "))
            .bind(now)
            .sql(" and (")
            .bind(shards)
            .sql(" >> m.shard) & 1 = 1 order by m.due_at limit ")
            .bind(each)
    };
    let stmt = Stmt::new(dialect, "select t.id, t.workspace, t.fence, d.due_at, d.shard, t.attempt from ");
    let stmt = match dialect {
        Dialect::Postgres => {
            let stmt = stmt.sql("unnest(").texts(workspaces).sql(") as w(workspace) cross join lateral (");
            due(stmt.sql("select m.touch, m.due_at, m.shard from timers m"), "w.workspace")
                .sql(") as d cross join touches t where t.id = d.touch")
        }
        // No lateral there, but a list may look at the row before it.
        Dialect::Sqlite => {
            let stmt = stmt
                .sql("json_each(")
                .texts(workspaces)
                .sql(") as w cross join timers d cross join touches t");
            due(
                stmt.sql(" where t.id = d.touch and d.enrollment in (select m.enrollment from timers m"),
                "w.value",
            )
            .sql(")")
        }
    };
    stmt.sql(" order by d.due_at")
}

pub(super) async fn pick(store: &Store, pick: &Pick) -> Result<Vec<Picked>, Fail> {
    let mut conn = store.database.reader().await?;
    let now = store.business_now(&mut conn).await?;
    let stmt = pick_stmt(conn.dialect(), pick, micros(now));
    let rows = conn.fetch(stmt).await?;
    Ok(rows.iter().map(read).collect::<StoreResult<_>>()?)
}

pub(super) async fn plan(store: &Store, pick: &Pick) -> Result<Vec<String>, Fail> {
    let mut conn = store.database.reader().await?;
    let stmt = pick_stmt(conn.dialect(), pick, 0);
    conn.plan(stmt).await
}

fn read(row: &Row) -> StoreResult<Picked> {
    let mut row = row.cursor();
    Ok(Picked {
        touch: TouchId(row.int()?),
        workspace: workspace(row.text()?)?,
        fence: row.small()?,
        due_at: moment(row.int()?),
        shard: Shard(row.small()?),
        attempt: row.small()?,
    })
}

/// The lanes, each by one look into the index.
pub(crate) const LANES: &str = "with recursive lanes(lane) as (\
     select min(m.lane) from timers m where m.held is null and m.lane is not null \
     union all \
     select (select min(m.lane) from timers m where m.held is null and m.lane is not null and m.lane > l.lane) \
     from lanes l where l.lane is not null)";

pub(super) async fn lanes(store: &Store) -> Result<Vec<Lane>, Fail> {
    let mut conn = store.database.reader().await?;
    let stmt = conn.stmt(LANES).sql(" select lane from lanes where lane is not null order by lane");
    let mut lanes = Vec::new();
    for row in conn.fetch(stmt).await? {
        lanes.push(known(Lane::from_text(&row.cursor().text()?), "lane")?);
    }
    Ok(lanes)
}

/// The workspaces of all lanes, each by one look into the index; after [`LANES`].
pub(crate) const PLACES: &str = ", places(lane, workspace) as (\
     select l.lane, (select min(m.workspace) from timers m where m.held is null and m.lane is not null and m.lane = l.lane) \
     from lanes l where l.lane is not null \
     union all \
     select p.lane, (select min(m.workspace) from timers m where m.held is null and m.lane is not null \
     and m.lane = p.lane and m.workspace > p.workspace) from places p where p.workspace is not null)";

/// The workspaces of a connector's lanes, or of all, each by one look into the index; then the earliest of each.
pub(crate) async fn next_due(
    store: &Store,
    connector: Option<&ConnectorName>,
) -> Result<Option<Timestamp>, Fail> {
    let mut conn = store.database.reader().await?;
    let free = format!("from timers m where {FREE} and m.lane");
    // A lane begins with its connector and a colon; the character after that is the semicolon.
    let (first, end) = match connector {
        Some(connector) => (format!("{connector}:"), format!("{connector};")),
        None => (String::new(), char::MAX.to_string()),
    };
    let stmt = conn
        .stmt(&format!("with recursive lanes(lane) as (select min(m.lane) {free} >= "))
        .bind(first)
        .sql(" and m.lane < ")
        .bind(end.clone())
        .sql(&format!(" union all select (select min(m.lane) {free} > l.lane and m.lane < "))
        .bind(end)
        .sql(") from lanes l where l.lane is not null)")
        .sql(PLACES)
        .sql(" ")
        .sql(&format!("select min((select min(m.due_at) {free} = p.lane and m.workspace = p.workspace)) "))
        .sql("from places p where p.workspace is not null");
    let row = conn.first(stmt).await?;
    let due = row.map(|row| row.cursor().opt_int()).transpose()?.flatten();
    Ok(due.map(moment))
}
