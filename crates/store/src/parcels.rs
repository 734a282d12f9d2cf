//! Messages of the outbox as they lie in it: those that one transaction leaves in a shard, in one row.

use std::collections::BTreeMap;

use bytes::Bytes;
use contracts::{Encoded, Parcel, Published as _, Waiting, Wire as _, outcome_message};
use domain::decision::Outcome;
use domain::id::Shard;
use ports::bus::{CE_SEQUENCE, Message, Topic};
use ports::relay::OutboxRow;
use ports::{StoreError, StoreResult};

use crate::error::{Fail, known};
use crate::sql::{Conn, Cursor, RowSet};
use crate::tables::insert;

/// How many messages a row holds at most.
const MOST: usize = 500;
/// A message's number is that of its row, times this, and its place in the row.
const PLACES: i64 = 1 << 12;

/// Messages on their way into the outbox, by shard.
#[derive(Default)]
pub(crate) struct Parcels(BTreeMap<u8, Vec<Waiting>>);

impl Parcels {
    /// Adds what the engine tells.
    pub(crate) fn tell(&mut self, outcome: &Outcome) {
        self.put(&outcome.key(), Waiting::Outcome(outcome.to_bytes()));
    }

    /// Adds any other message.
    pub(crate) fn send(&mut self, message: &Message) {
        let Message { topic, key, headers, payload } = message.clone();
        let encoded = Encoded { key, headers, payload };
        self.put(&message.key, Waiting::Written { topic: topic.as_str().to_owned(), message: encoded });
    }

    fn put(&mut self, key: &[u8], waiting: Waiting) {
        self.0.entry(shard(key).0).or_default().push(waiting);
    }

    /// Writes them. The database numbers the rows while the locks of what they tell of are held, so that the order within
    /// a key is that of the commits.
    pub(crate) async fn write(self, conn: &mut Conn) -> Result<(), Fail> {
        let rows: Vec<(u8, usize, Bytes)> = self
            .0
            .iter()
            .flat_map(|(shard, all)| all.chunks(MOST).map(|some| (*shard, some)))
            .map(|(shard, some)| (shard, some.len(), Parcel(some.to_vec()).to_bytes()))
            .collect();
        let set = RowSet::new(rows.len())
            .int("shard", rows.iter().map(|(shard, ..)| i64::from(*shard)))
            .int("messages", rows.iter().map(|(_, count, _)| i64::try_from(*count).unwrap_or(i64::MAX)))
            .bytes("body", rows.iter().map(|(.., body)| body.to_vec()));
        insert(conn, "outbox", set).await
    }
}

/// The shard of a key: all messages of one key are in one (FNV-1a, so that it never changes).
fn shard(key: &[u8]) -> Shard {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The remainder is below the count, which is a byte.
    Shard(u8::try_from(hash % u64::from(Shard::COUNT)).unwrap_or_default())
}

/// The messages of a row, read on as its number, how many were relayed, and the body: those that were not.
pub(crate) fn read(row: &mut Cursor<'_>) -> StoreResult<Vec<OutboxRow>> {
    let (number, relayed, body) = (row.int()?, row.int()?, row.bytes()?);
    let relayed = usize::try_from(relayed).unwrap_or_default();
    let places = (number * PLACES..).zip(open(&body)?).skip(relayed);
    let mut messages = Vec::new();
    for (id, waiting) in places {
        messages.extend(message(id, waiting)?.map(|message| OutboxRow { id, message }));
    }
    Ok(messages)
}

/// The messages of a body.
pub(crate) fn open(body: &[u8]) -> StoreResult<Vec<Waiting>> {
    let parcel = Parcel::from_bytes(body);
    Ok(parcel.map_err(|_| StoreError::Damaged("its messages cannot be read".to_owned()))?.0)
}

fn message(id: i64, waiting: Waiting) -> StoreResult<Option<Message>> {
    let (topic, encoded) = match waiting {
        Waiting::Outcome(payload) => {
            let encoded = outcome_message(&payload);
            let damaged = |_| StoreError::Damaged("an outcome of it cannot be read".to_owned());
            (Topic::Outcomes, encoded.map_err(damaged)?)
        }
        Waiting::Written { topic, message } => (known(crate::offsets::topic(&topic), "topic")?, message),
        Waiting::Gone => return Ok(None),
    };
    let Encoded { key, mut headers, payload } = encoded;
    if topic == Topic::Outcomes {
        // Numbered while the locks of what it tells of were held: the order of the commits.
        headers.insert(CE_SEQUENCE.to_owned(), format!("{id:020}"));
    }
    Ok(Some(Message { topic, key, headers, payload }))
}

/// Up to where rows were relayed: by their number, how many messages of each.
pub(crate) fn relayed(ids: &[i64]) -> BTreeMap<i64, i64> {
    let mut rows: BTreeMap<i64, i64> = BTreeMap::new();
    for id in ids {
        let furthest = rows.entry(id.div_euclid(PLACES)).or_default();
        *furthest = (id.rem_euclid(PLACES) + 1).max(*furthest);
    }
    rows
}
