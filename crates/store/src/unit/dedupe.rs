//! What was processed before.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{Digest, SourceName, Workspace};
use domain::input::{Input, Origin};
use jiff::Timestamp;
use ports::StoreResult;
use ports::unit::Standing;

use crate::error::Fail;
use crate::sql::{Conn, Row, RowSet, micros};
use crate::tables::{name, workspace};

type Key = (Workspace, SourceName, Digest);

/// Writes the digests of events and says of each input whether it is new: given now and the horizon, on the wall.
pub(super) async fn standings(
    conn: &mut Conn,
    inputs: &[Input],
    (now, horizon): (Timestamp, Timestamp),
) -> Result<Vec<Standing>, Fail> {
    // The first of several equal ones within the unit is the one that may be new.
    let mut firsts: BTreeMap<Key, usize> = BTreeMap::new();
    for (place, input) in inputs.iter().enumerate() {
        if let Input::Event(event) = input {
            firsts.entry(key(&event.event)).or_insert(place);
        }
    }
    let new = insert(conn, &firsts, now).await?;
    let standing = |(place, input): (usize, &Input)| match input {
        Input::Timer(_) | Input::Touch(_) => Standing::Fresh,
        Input::Event(event) => {
            let key = key(&event.event);
            if firsts.get(&key) != Some(&place) || !new.contains(&key) {
                Standing::Duplicate
            } else if event.origin == Origin::Live && event.event.received_at < horizon {
                Standing::BeforeHorizon
            } else {
                Standing::Fresh
            }
        }
    };
    Ok(inputs.iter().enumerate().map(standing).collect())
}

fn key(event: &domain::event::Event) -> Key {
    (event.workspace.clone(), event.source.clone(), event.digest)
}

/// Inserts in key order, since two batches that insert the same digests in different orders wait for each other.
async fn insert(
    conn: &mut Conn,
    firsts: &BTreeMap<Key, usize>,
    now: Timestamp,
) -> Result<BTreeSet<Key>, Fail> {
    if firsts.is_empty() {
        return Ok(BTreeSet::new());
    }
    let set = RowSet::new(firsts.len())
        .text("workspace", firsts.keys().map(|(workspace, _, _)| workspace.as_str()))
        .text("source", firsts.keys().map(|(_, source, _)| source.as_str()))
        .bytes("digest", firsts.keys().map(|(_, _, digest)| digest.0.to_vec()));
    let stmt = conn
        .stmt("insert into dedupe (workspace, source, digest, seen_at) select v.workspace, v.source, v.digest, ")
        .bind(micros(now))
        .sql(" from ")
        .rows(set)
        .sql(" where true order by 1, 2, 3 on conflict do nothing returning workspace, source, digest");
    let rows = conn.fetch(stmt).await?;
    Ok(rows.iter().map(read).collect::<StoreResult<_>>()?)
}

fn read(row: &Row) -> StoreResult<Key> {
    let mut row = row.cursor();
    Ok((workspace(row.text()?)?, name(row.text()?, "source")?, Digest(row.half()?)))
}
