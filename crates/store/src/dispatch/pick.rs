//! Finding what is due, by reading only. The partial index of timers is met by literal predicates.

use domain::id::{Shard, TouchId};
use domain::touch::Lane;
use jiff::Timestamp;
use ports::StoreResult;
use ports::dispatch::Picked;

use crate::Store;
use crate::error::{Fail, known};
use crate::sql::{Dialect, Row, Stmt, micros, moment};

/// What a timer of a touch that may go looks like; the index's own words.
pub(crate) const FREE: &str = "m.held is null and m.lane is not null";

/// The statement of [`pick`], apart so that its plan can be looked at: the earliest of each shard, each shard by a walk
/// of its own in the index.
pub(crate) fn pick_stmt(
    dialect: Dialect,
    lane: &Lane,
    shards: &[Shard],
    (now, per_shard): (i64, i64),
) -> Stmt {
    let shards = shards.iter().map(|shard| Some(i64::from(shard.0))).collect::<Vec<_>>();
    let due = |stmt: Stmt, shard: &str| {
        stmt.sql(&format!(" where {FREE} and m.lane = "))
            .bind(lane.to_text())
            .sql(&format!(" and m.shard = {shard} and m.due_at <= "))
            .bind(now)
            .sql(" order by m.due_at limit ")
            .bind(per_shard)
    };
    let stmt = Stmt::new(dialect, "select t.id, t.fence, d.due_at, d.shard, t.attempt from ");
    let stmt = match dialect {
        Dialect::Postgres => {
            let stmt = stmt.sql("unnest(").ints(shards).sql(") as s(shard) cross join lateral (");
            due(stmt.sql("select m.touch, m.due_at, m.shard from timers m"), "s.shard")
                .sql(") as d cross join touches t where t.id = d.touch")
        }
        // No lateral there, but a list may look at the row before it.
        Dialect::Sqlite => {
            let stmt =
                stmt.sql("json_each(").ints(shards).sql(") as s cross join timers d cross join touches t");
            due(
                stmt.sql(" where t.id = d.touch and d.enrollment in (select m.enrollment from timers m"),
                "s.value",
            )
            .sql(")")
        }
    };
    stmt.sql(" order by d.due_at")
}

pub(super) async fn pick(
    store: &Store,
    lane: &Lane,
    shards: &[Shard],
    per_shard: usize,
) -> Result<Vec<Picked>, Fail> {
    let mut conn = store.database.reader().await?;
    let now = store.business_now(&mut conn).await?;
    let per_shard = i64::try_from(per_shard).unwrap_or(i64::MAX);
    let stmt = pick_stmt(conn.dialect(), lane, shards, (micros(now), per_shard));
    let rows = conn.fetch(stmt).await?;
    Ok(rows.iter().map(read).collect::<StoreResult<_>>()?)
}

pub(super) async fn plan(store: &Store, lane: &Lane, shards: &[Shard]) -> Result<Vec<String>, Fail> {
    let mut conn = store.database.reader().await?;
    let dialect = conn.dialect();
    let stmt = pick_stmt(dialect, lane, shards, (0, 100));
    let explain = match dialect {
        Dialect::Postgres => stmt.explained("explain (costs off) "),
        Dialect::Sqlite => stmt.explained("explain query plan "),
    };
    let mut lines = Vec::new();
    for row in conn.fetch(explain).await? {
        let mut row = row.cursor();
        if dialect == Dialect::Sqlite {
            // Three numbers come before the words.
            for _ in 0..3 {
                row.int()?;
            }
        }
        lines.push(row.text()?);
    }
    Ok(lines)
}

fn read(row: &Row) -> StoreResult<Picked> {
    let mut row = row.cursor();
    Ok(Picked {
        touch: TouchId(row.int()?),
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

pub(super) async fn next_due(store: &Store) -> Result<Option<Timestamp>, Fail> {
    let mut conn = store.database.reader().await?;
    let shards: Vec<Option<i64>> = Shard::all().map(|shard| Some(i64::from(shard.0))).collect();
    let stmt = conn.stmt(LANES).sql(" select min(d.due_at) from (select (");
    let stmt = stmt
        .sql("select min(m.due_at) from timers m where ")
        .sql(FREE)
        .sql(" and m.lane = l.lane and m.shard = s.shard) as due_at from lanes l cross join ")
        .either("unnest(", "(select value as shard from json_each(")
        .ints(shards)
        .either(") as s(shard)", ")) as s")
        .sql(" where l.lane is not null) as d");
    let row = conn.first(stmt).await?;
    let due = row.map(|row| row.cursor().opt_int()).transpose()?.flatten();
    Ok(due.map(moment))
}
