//! How much waits: a few bounded counts.

use async_trait::async_trait;
use ports::StoreResult;
use ports::survey::{Survey, Waiting};

use crate::Store;
use crate::dispatch::{FREE, LANES, PLACES};
use crate::error::Fail;
use crate::sql::{Conn, micros, moment};

#[async_trait]
impl Survey for Store {
    async fn waiting(&self) -> StoreResult<Waiting> {
        let read = async {
            let mut conn = self.database.reader().await?;
            let now = micros(self.business_now(&mut conn).await?);
            let outbox = messages(&mut conn).await?;
            let quarantine = count(&mut conn, &aside("quarantine"), Waiting::MOST_ASIDE).await?;
            let dead_letters = count(&mut conn, &aside("deadletter"), Waiting::MOST_ASIDE).await?;
            let (due, oldest) = due(&mut conn, now).await?;
            let oldest_due = oldest.map(moment);
            Ok(Waiting { outbox, quarantine, dead_letters, due, oldest_due })
        };
        self.reading(read).await
    }
}

fn aside(list: &str) -> String {
    format!("asides where list = '{list}' and redriven_at is null")
}

async fn count(conn: &mut Conn, rows: &str, most: i64) -> Result<u64, Fail> {
    let stmt = conn.stmt(&format!("select count(*) from (select 1 from {rows} limit {most}) as c"));
    let row = conn.first(stmt).await?;
    let count = row.map(|row| row.cursor().int()).transpose()?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

/// How many messages the rows of the outbox hold, up to a limit.
async fn messages(conn: &mut Conn) -> Result<u64, Fail> {
    let stmt = conn.stmt(&format!(
        "select cast(coalesce(sum(c.left_over), 0) as bigint) from \
         (select o.messages - o.relayed as left_over from outbox o limit {}) as c",
        Waiting::MOST_MESSAGES
    ));
    let row = conn.first(stmt).await?;
    let count = row.map(|row| row.cursor().int()).transpose()?.unwrap_or_default();
    Ok(u64::try_from(count.min(Waiting::MOST_MESSAGES)).unwrap_or_default())
}

/// By lane and workspace, so that the index gives the due ones without those of the future.
async fn due(conn: &mut Conn, now: i64) -> Result<(u64, Option<i64>), Fail> {
    let mine = format!(
        "from timers m where {FREE} and m.lane = p.lane and m.workspace = p.workspace and m.due_at <= "
    );
    let stmt = conn
        .stmt(LANES)
        .sql(PLACES)
        .sql(" select cast(coalesce(sum(d.due), 0) as bigint), min(d.oldest) from (select (select count(*) from (select 1 ")
        .sql(&mine)
        .bind(now)
        .sql(&format!(" limit {}) as c) as due, (select min(m.due_at) ", Waiting::MOST_DUE))
        .sql(&mine)
        .bind(now)
        .sql(") as oldest from places p where p.workspace is not null) as d");
    let Some(row) = conn.first(stmt).await? else { return Ok((0, None)) };
    let mut row = row.cursor();
    Ok((u64::try_from(row.int()?).unwrap_or_default(), row.opt_int()?))
}
