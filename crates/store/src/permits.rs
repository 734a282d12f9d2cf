//! The rates of connectors, shared out among dispatchers by a row for each connector.
//!
//! The row says for every holder how many requests of any one period may be its own, and until when. A holder that shrinks
//! counts with what it has started within the last period until that has aged, one that dies until its lease and a period
//! are over: so the sum never exceeds the limit, in any window and at any handover.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ports::StoreResult;
use ports::dispatch::{Draw, Permits};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Store;
use crate::error::Fail;
use crate::session::{Tx, Work};
use crate::sql::{from_json, micros, to_json};

/// A holder's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    holder: Uuid,
    /// How many requests of any one period may be its own.
    requests: usize,
    /// Until when it counts (wall clock, microseconds).
    until: i64,
}

/// All parts of a connector.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ledger(Vec<Part>);

impl Ledger {
    /// Draws a part in place of the holder's own; the sum of all parts stays within the limit.
    fn draw(&mut self, draw: &Draw, now: i64) -> usize {
        self.0.retain(|part| part.until > now && part.holder != draw.holder);
        let taken: usize = self.0.iter().map(|part| part.requests).sum();
        let granted = draw.wanted.min(draw.limit.saturating_sub(taken));
        let requests = granted.max(draw.used);
        if requests > 0 {
            // What is not renewed may be used until its lease ends, and counts for a period after that.
            let lease = if granted > 0 { draw.lease } else { Duration::ZERO };
            let counts = i64::try_from((lease + draw.per).as_micros()).unwrap_or(i64::MAX);
            self.0.push(Part { holder: draw.holder, requests, until: now.saturating_add(counts) });
        }
        granted
    }
}

struct Draws(Draw);

#[async_trait]
impl Work for Draws {
    type Out = usize;

    async fn run(&self, tx: &mut Tx) -> Result<usize, Fail> {
        let Draws(draw) = self;
        let connector = draw.connector.as_str();
        let stmt = tx
            .conn
            .stmt("insert into permits (connector, holders) values (")
            .bind(connector)
            .sql(", '[]') on conflict do nothing");
        tx.conn.run(stmt).await?;
        let lock =
            tx.conn.stmt("select p.holders from permits p where p.connector = ").bind(connector).lock("p");
        let row = tx.conn.first(lock).await?;
        let held = row.map(|row| row.cursor().text()).transpose()?.unwrap_or_else(|| "[]".to_owned());
        let mut ledger: Ledger = from_json(&held, "permits")?;
        // Asked for under the lock: who waited for it has waited.
        let now = micros(tx.wall().await?);
        let granted = ledger.draw(draw, now);
        let stmt = tx
            .conn
            .stmt("update permits set holders = ")
            .bind(to_json(&ledger)?)
            .sql(" where connector = ")
            .bind(connector);
        tx.conn.run_exactly(stmt, 1, "permits").await?;
        Ok(granted)
    }
}

#[async_trait]
impl Permits for Store {
    async fn draw(&self, draw: Draw) -> StoreResult<usize> {
        self.database.transact(Arc::new(Draws(draw))).await.map_err(Fail::into_error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 7;
    const PER: i64 = 1_000_000;
    /// A holder trusts its part for less long than the row counts it.
    const TRUST: i64 = 2_000_000;
    const LEASE: i64 = 3_000_000;

    /// A dispatcher, as far as its rate goes.
    #[derive(Debug, Default, Clone)]
    struct Holder {
        id: u128,
        granted: usize,
        trusted_until: i64,
        started: Vec<i64>,
    }

    impl Holder {
        fn used(&self, now: i64) -> usize {
            self.started.iter().filter(|start| **start + PER > now).count()
        }

        fn draw(&mut self, ledger: &mut Ledger, wanted: usize, now: i64) {
            let duration = |micros: i64| Duration::from_micros(micros.unsigned_abs());
            let draw = Draw {
                connector: "crm".parse().unwrap(),
                holder: Uuid::from_u128(self.id),
                wanted,
                used: self.used(now),
                limit: LIMIT,
                per: duration(PER),
                lease: duration(LEASE),
            };
            self.granted = ledger.draw(&draw, now);
            self.trusted_until = now + TRUST;
        }

        fn start_all(&mut self, now: i64) {
            if now < self.trusted_until {
                for _ in self.used(now)..self.granted {
                    self.started.push(now);
                }
            }
        }
    }

    #[test]
    fn the_first_to_come_gets_what_it_wants_at_once_and_the_next_what_is_left() {
        let mut ledger = Ledger::default();
        let (mut first, mut second) =
            (Holder { id: 1, ..Holder::default() }, Holder { id: 2, ..Holder::default() });

        first.draw(&mut ledger, LIMIT, 0);
        second.draw(&mut ledger, 3, 1);
        let before = (first.granted, second.granted);
        first.draw(&mut ledger, 4, 2);
        second.draw(&mut ledger, 3, 3);

        assert_eq!(before, (LIMIT, 0));
        assert_eq!((first.granted, second.granted), (4, 3), "what was never used is given over at once");
    }

    #[test]
    fn what_was_started_counts_until_a_period_later() {
        let mut ledger = Ledger::default();
        let (mut first, mut second) =
            (Holder { id: 1, ..Holder::default() }, Holder { id: 2, ..Holder::default() });
        first.draw(&mut ledger, LIMIT, 0);
        first.start_all(10);

        first.draw(&mut ledger, 0, 20);
        second.draw(&mut ledger, LIMIT, PER);
        let early = second.granted;
        second.draw(&mut ledger, LIMIT, 20 + PER);

        assert_eq!((early, second.granted), (0, LIMIT));
    }

    proptest! {
        /// Whoever comes, goes, dies or starts again: no window of one period holds more than the limit.
        #[test]
        fn no_window_holds_more_than_the_limit(
            steps in prop::collection::vec((0_i64..600_000, 0_usize..4, 0_u8..8, 0_usize..=LIMIT), 1..250),
        ) {
            let mut ledger = Ledger::default();
            let mut holders: Vec<Holder> = (0..4).map(|id| Holder { id, ..Holder::default() }).collect();
            let mut all = Vec::new();
            let (mut now, mut next) = (0, 4);
            for (wait, which, act, wanted) in steps {
                now += wait;
                let holder = &mut holders[which];
                match act {
                    0 => holder.draw(&mut ledger, 0, now),
                    1 => {
                        all.append(&mut holder.started);
                        *holder = Holder { id: next, ..Holder::default() };
                        next += 1;
                    }
                    2..=4 => holder.draw(&mut ledger, wanted, now),
                    _ => holder.start_all(now),
                }
            }
            all.extend(holders.into_iter().flat_map(|holder| holder.started));
            for start in &all {
                let within = all.iter().filter(|other| **other >= *start && **other < start + PER).count();
                prop_assert!(within <= LIMIT, "{within} from {start}");
            }
        }
    }
}
