//! What was processed before.

use std::collections::{BTreeMap, HashSet};

use domain::event::Event;
use domain::id::{Digest, SourceName, Workspace};
use domain::input::{Input, Origin};
use jiff::Timestamp;
use ports::StoreResult;
use ports::unit::Standing;
use uuid::Uuid;

use crate::error::Fail;
use crate::sql::{Conn, RowSet, micros};

/// What makes an event one: where the three are equal, it is the same.
pub(crate) type Place<'a> = (&'a Workspace, &'a SourceName, Digest);

/// The place of an event.
pub(crate) fn place(event: &Event) -> Place<'_> {
    (&event.workspace, &event.source, event.digest)
}

/// A place as one key of a fixed length, in `dedupe` and wherever an event is found by it.
pub(crate) fn key((workspace, source, digest): Place<'_>) -> Uuid {
    Uuid::from_bytes(Digest::of(&[workspace.as_str().as_bytes(), source.as_str().as_bytes(), &digest.0]).0)
}

/// The keys of the events among inputs, in their order.
pub(super) fn keys(inputs: &[Input]) -> Vec<Uuid> {
    let events = inputs.iter().filter_map(|input| match input {
        Input::Event(event) => Some(key(place(&event.event))),
        Input::Timer(_) | Input::Touch(_) => None,
    });
    events.collect()
}

/// Writes the keys of events and says of each input whether it is new: given now and the horizon, on the wall.
pub(super) async fn standings(
    conn: &mut Conn,
    (inputs, keys): (&[Input], &[Uuid]),
    (now, horizon): (Timestamp, Timestamp),
) -> Result<Vec<Standing>, Fail> {
    // The first of several equal ones within the unit is the one that may be new. In the order of the keys: two batches
    // that insert the same ones in different orders would wait for each other.
    let mut firsts: BTreeMap<Uuid, i64> = BTreeMap::new();
    let mut given = keys.iter();
    for input in inputs {
        if let (Input::Event(event), Some(key)) = (input, events_key(input, &mut given)) {
            firsts.entry(key).or_insert_with(|| micros(event.event.received_at.min(now)));
        }
    }
    let mut new = insert(conn, &firsts, now).await?;
    let mut given = keys.iter();
    let standing = |input: &Input| match input {
        Input::Timer(_) | Input::Touch(_) => Standing::Fresh,
        Input::Event(event) => {
            // Taken out, so that an equal one after it is none of the new ones.
            if !events_key(input, &mut given).is_some_and(|key| new.remove(&key)) {
                Standing::Duplicate
            } else if event.origin == Origin::Live && event.event.received_at < horizon {
                Standing::BeforeHorizon
            } else {
                Standing::Fresh
            }
        }
    };
    Ok(inputs.iter().map(standing).collect())
}

/// The next of the keys, for an input that has one.
fn events_key<'k>(input: &Input, keys: &mut impl Iterator<Item = &'k Uuid>) -> Option<Uuid> {
    if matches!(input, Input::Event(_)) { keys.next().copied() } else { None }
}

/// Inserts what is not there yet, in the order of the keys; gives the keys that were not.
async fn insert(
    conn: &mut Conn,
    firsts: &BTreeMap<Uuid, i64>,
    now: Timestamp,
) -> Result<HashSet<Uuid>, Fail> {
    if firsts.is_empty() {
        return Ok(HashSet::new());
    }
    let set = RowSet::new(firsts.len())
        .uuid("key", firsts.keys().copied())
        .int("received_at", firsts.values().copied());
    let stmt = conn
        .stmt("insert into dedupe (key, seen_at, received_at) select v.key, ")
        .bind(micros(now))
        .sql(", v.received_at from ")
        .rows(set)
        .sql(" where true order by 1 on conflict do nothing returning key");
    let rows = conn.fetch(stmt).await?;
    Ok(rows.iter().map(|row| row.cursor().uuid()).collect::<StoreResult<_>>()?)
}
