//! The partition's offset, moved on in the unit's own transaction.

use ports::StoreError;
use ports::unit::Advance;

use crate::error::Fail;
use crate::sql::Conn;

/// Looks whether the offset is where the caller believes. Reads only.
pub(crate) async fn check(conn: &mut Conn, advance: &Advance) -> Result<(), Fail> {
    let stmt = conn
        .stmt("select next_offset from offsets where cluster = ")
        .bind(advance.cluster.as_str())
        .sql(" and topic = ")
        .bind(advance.topic.as_str())
        .sql(" and part = ")
        .bind(i64::from(advance.partition));
    let held = conn.first(stmt).await?.map(|row| row.cursor().int()).transpose()?;
    if held == advance.from { Ok(()) } else { Err(moved(advance)) }
}

/// Compare-and-set.
pub(crate) async fn advance(conn: &mut Conn, advance: &Advance) -> Result<(), Fail> {
    let stmt = match advance.from {
        Some(from) => conn
            .stmt("update offsets set next_offset = ")
            .bind(advance.to.next)
            .sql(", last_id = ")
            .bind(advance.to.last_id.clone())
            .sql(" where cluster = ")
            .bind(advance.cluster.as_str())
            .sql(" and topic = ")
            .bind(advance.topic.as_str())
            .sql(" and part = ")
            .bind(i64::from(advance.partition))
            .sql(" and next_offset = ")
            .bind(from),
        None => conn
            .stmt("insert into offsets (cluster, topic, part, next_offset, last_id) values (")
            .bind(advance.cluster.as_str())
            .sql(", ")
            .bind(advance.topic.as_str())
            .sql(", ")
            .bind(i64::from(advance.partition))
            .sql(", ")
            .bind(advance.to.next)
            .sql(", ")
            .bind(advance.to.last_id.clone())
            .sql(") on conflict do nothing"),
    };
    if conn.run(stmt).await? == 1 { Ok(()) } else { Err(moved(advance)) }
}

fn moved(advance: &Advance) -> Fail {
    let text = format!(
        "the offset of {} partition {} was moved by another process",
        advance.topic, advance.partition
    );
    Fail::Store(StoreError::Conflict(text))
}
