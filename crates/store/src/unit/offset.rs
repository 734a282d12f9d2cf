//! The partitions' offsets, moved on in the unit's own transaction: all of them, or none.

use ports::StoreError;
use ports::unit::Advance;

use crate::error::Fail;
use crate::sql::{Conn, RowSet};

/// Looks whether the offsets are where the caller believes. Reads only.
pub(crate) async fn check(conn: &mut Conn, advances: &[Advance]) -> Result<(), Fail> {
    if advances.is_empty() {
        return Ok(());
    }
    let places = (0..).zip(advances).map(|(place, _)| place);
    let stmt = conn
        .stmt("select v.place, o.next_offset from ")
        .rows(keys(advances.iter()).int("place", places))
        .sql(" join offsets o on o.cluster = v.cluster and o.topic = v.topic and o.part = v.part");
    let mut held = vec![None; advances.len()];
    for row in conn.fetch(stmt).await? {
        let mut row = row.cursor();
        let place = usize::try_from(row.int()?).ok();
        if let Some(next) = place.and_then(|place| held.get_mut(place)) {
            *next = Some(row.int()?);
        }
    }
    match advances.iter().zip(held).find(|(advance, held)| advance.from != *held) {
        None => Ok(()),
        Some((advance, _)) => Err(moved(&format!("{} partition {}", advance.topic, advance.partition))),
    }
}

/// Compare-and-set. Rows are taken in the order of their keys: of two transactions that move some of the same partitions,
/// one waits for the other, and then fails.
pub(crate) async fn advance(conn: &mut Conn, advances: &[Advance]) -> Result<(), Fail> {
    let mut sorted: Vec<&Advance> = advances.iter().collect();
    sorted.sort_by_key(|advance| (&advance.cluster, advance.topic.as_str(), advance.partition));
    let (known, new): (Vec<&Advance>, Vec<&Advance>) =
        sorted.into_iter().partition(|advance| advance.from.is_some());
    if !known.is_empty() {
        let rows = targets(&known).opt_int("held", known.iter().map(|advance| advance.from));
        let stmt = conn
            .stmt(
                "update offsets set next_offset = v.next_offset, last_id = v.last_id from (select v.* from ",
            )
            .rows(rows)
            .sql(" join offsets o on o.cluster = v.cluster and o.topic = v.topic and o.part = v.part")
            .sql(" order by o.cluster, o.topic, o.part")
            .lock("o")
            .sql(
                ") v where offsets.cluster = v.cluster and offsets.topic = v.topic and offsets.part = v.part",
            )
            .sql(" and offsets.next_offset = v.held");
        all(conn.run(stmt).await?, &known)?;
    }
    if !new.is_empty() {
        let stmt = conn
            .stmt("insert into offsets (cluster, topic, part, next_offset, last_id)")
            .sql(" select v.cluster, v.topic, v.part, v.next_offset, v.last_id from ")
            .rows(targets(&new))
            .sql(" where true order by v.cluster, v.topic, v.part on conflict do nothing");
        all(conn.run(stmt).await?, &new)?;
    }
    Ok(())
}

fn keys<'a>(advances: impl ExactSizeIterator<Item = &'a Advance> + Clone) -> RowSet {
    RowSet::new(advances.len())
        .text("cluster", advances.clone().map(|advance| advance.cluster.as_str()))
        .text("topic", advances.clone().map(|advance| advance.topic.as_str()))
        .int("part", advances.map(|advance| i64::from(advance.partition)))
}

fn targets(advances: &[&Advance]) -> RowSet {
    keys(advances.iter().copied())
        .int("next_offset", advances.iter().map(|advance| advance.to.next))
        .opt_text("last_id", advances.iter().map(|advance| advance.to.last_id.as_deref()))
}

fn all(changed: u64, advances: &[&Advance]) -> Result<(), Fail> {
    if usize::try_from(changed).ok() == Some(advances.len()) {
        return Ok(());
    }
    let places: Vec<String> =
        advances.iter().map(|advance| format!("{} partition {}", advance.topic, advance.partition)).collect();
    Err(moved(&places.join(" or ")))
}

fn moved(what: &str) -> Fail {
    Fail::Store(StoreError::Conflict(format!("the offset of {what} was moved by another process")))
}
