//! Budgets: who used how much of a limit, and when.
//!
//! A row holds its uses as pairs of a moment (business time, microseconds) and the touch that it belongs to, oldest
//! first, so that windows slide exactly and a use is given back exactly.

use std::collections::{BTreeMap, BTreeSet};

use domain::budget::Reservation;
use domain::id::{TouchId, Workspace};
use jiff::Timestamp;

use crate::error::Fail;
use crate::sql::{Conn, RowSet, from_json, micros, moment, to_json};
use crate::tables::workspace;

/// A use that a touch holds.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) workspace: Workspace,
    pub(crate) budget: String,
    pub(crate) touch: TouchId,
}

type Key = (Workspace, String);
type Uses = Vec<(i64, i64)>;

/// Budgets under lock.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    rows: BTreeMap<Key, Uses>,
    forget_after: BTreeMap<Key, i64>,
    changed: BTreeSet<Key>,
}

/// A budget that had no room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoRoom {
    pub(crate) key: String,
    pub(crate) uses: Vec<Timestamp>,
}

impl Budgets {
    /// Makes missing rows and locks all, each in key order.
    pub(crate) async fn lock(conn: &mut Conn, wanted: &BTreeMap<Key, Timestamp>) -> Result<Self, Fail> {
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        let keys = || {
            RowSet::new(wanted.len())
                .text("workspace", wanted.keys().map(|(workspace, _)| workspace.as_str()))
                .text("budget", wanted.keys().map(|(_, budget)| budget.as_str()))
        };
        let set = keys().int("forget_after", wanted.values().map(|at| micros(*at)));
        let stmt = conn
            .stmt("insert into budgets (workspace, budget, uses, forget_after) ")
            .sql("select v.workspace, v.budget, '[]', v.forget_after from ")
            .rows(set)
            .sql(" where true order by 1, 2 on conflict do nothing");
        conn.run(stmt).await?;
        let mut budgets = Self::read(conn, keys()).await?;
        if budgets.rows.len() != wanted.len() {
            return Err(Fail::Contended("a budget was forgotten meanwhile".to_owned()));
        }
        budgets.forget_after = wanted.iter().map(|(key, at)| (key.clone(), micros(*at))).collect();
        Ok(budgets)
    }

    async fn read(conn: &mut Conn, keys: RowSet) -> Result<Self, Fail> {
        let stmt = conn
            .stmt("select b.workspace, b.budget, b.uses from ")
            .rows(keys)
            .sql(" cross join budgets b where b.workspace = v.workspace and b.budget = v.budget")
            .sql(" order by b.workspace, b.budget")
            .lock("b");
        let mut budgets = Self::default();
        for row in conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let key = (workspace(row.text()?)?, row.text()?);
            let uses: Uses = from_json(&row.text()?, "budget")?;
            budgets.rows.insert(key, uses);
        }
        Ok(budgets)
    }

    /// Reserves all budgets of a touch, or none: then it says which was full.
    pub(crate) fn reserve(
        &mut self,
        owner: (&Workspace, TouchId),
        wanted: &[Reservation],
        now: Timestamp,
    ) -> Result<(), NoRoom> {
        for one in wanted {
            let Some(max) = one.max else { continue };
            let uses = self.rows.get(&(owner.0.clone(), one.key.clone())).map_or(&[][..], Vec::as_slice);
            let since = micros(one.counted_since);
            let counted: Vec<Timestamp> =
                uses.iter().filter(|(at, _)| *at > since).map(|(at, _)| moment(*at)).collect();
            if counted.len() >= usize::try_from(max).unwrap_or(usize::MAX) {
                return Err(NoRoom { key: one.key.clone(), uses: counted });
            }
        }
        for one in wanted {
            let key = (owner.0.clone(), one.key.clone());
            let uses = self.rows.entry(key.clone()).or_default();
            // What no longer counts for this touch counts for no later one.
            let since = micros(one.counted_since);
            uses.retain(|(at, _)| *at > since);
            uses.push((micros(now), owner.1.0));
            uses.sort_unstable();
            let forget = self.forget_after.entry(key.clone()).or_default();
            *forget = (*forget).max(micros(one.forget_after));
            self.changed.insert(key);
        }
        Ok(())
    }

    /// Writes what changed.
    pub(crate) async fn write(self, conn: &mut Conn) -> Result<(), Fail> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let mut uses = Vec::with_capacity(self.changed.len());
        for key in &self.changed {
            uses.push(to_json(self.rows.get(key).map_or(&[][..], Vec::as_slice))?);
        }
        let forget = self.changed.iter().map(|key| self.forget_after.get(key).copied().unwrap_or_default());
        let set = RowSet::new(self.changed.len())
            .text("workspace", self.changed.iter().map(|(workspace, _)| workspace.as_str()))
            .text("budget", self.changed.iter().map(|(_, budget)| budget.as_str()))
            .text("uses", uses.into_iter())
            .int("forget_after", forget);
        // Seldom does a limit's end come earlier; the later one of two counts.
        let later = "case when v.forget_after > budgets.forget_after then v.forget_after else budgets.forget_after end";
        let stmt = conn
            .stmt(&format!("update budgets set uses = v.uses, forget_after = {later} from "))
            .rows(set)
            .sql(" where budgets.workspace = v.workspace and budgets.budget = v.budget");
        conn.run_exactly(stmt, self.changed.len(), "budgets").await
    }
}

/// Gives uses back.
pub(crate) async fn give_back(conn: &mut Conn, held: &[Held]) -> Result<(), Fail> {
    if held.is_empty() {
        return Ok(());
    }
    let keys: BTreeSet<Key> = held.iter().map(|one| (one.workspace.clone(), one.budget.clone())).collect();
    let set = RowSet::new(keys.len())
        .text("workspace", keys.iter().map(|(workspace, _)| workspace.as_str()))
        .text("budget", keys.iter().map(|(_, budget)| budget.as_str()));
    let mut budgets = Budgets::read(conn, set).await?;
    for one in held {
        let key = (one.workspace.clone(), one.budget.clone());
        // A row that was forgotten meanwhile holds nothing to give back.
        let Some(uses) = budgets.rows.get_mut(&key) else { continue };
        uses.retain(|(_, touch)| *touch != one.touch.0);
        budgets.changed.insert(key);
    }
    budgets.write(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn limit(max: Option<u32>, since: i64) -> Reservation {
        Reservation { key: "b".to_owned(), max, counted_since: at(since), forget_after: at(1_000) }
    }

    #[test]
    fn a_full_budget_names_the_uses_that_count_and_takes_nothing() {
        let workspace = Workspace::main();
        let mut budgets = Budgets::default();

        assert_eq!(budgets.reserve((&workspace, TouchId(1)), &[limit(Some(2), 0)], at(10)), Ok(()));
        assert_eq!(budgets.reserve((&workspace, TouchId(2)), &[limit(Some(2), 0)], at(20)), Ok(()));
        let full = budgets.reserve((&workspace, TouchId(3)), &[limit(Some(2), 0)], at(30));

        assert_eq!(full, Err(NoRoom { key: "b".to_owned(), uses: vec![at(10), at(20)] }));
        assert_eq!(budgets.reserve((&workspace, TouchId(3)), &[limit(Some(2), 10)], at(30)), Ok(()));
    }

    #[test]
    fn a_budget_that_only_counts_is_never_full() {
        let workspace = Workspace::main();
        let mut budgets = Budgets::default();

        for touch in 0..50 {
            assert_eq!(
                budgets.reserve((&workspace, TouchId(touch)), &[limit(None, 0)], at(touch + 1)),
                Ok(())
            );
        }
    }
}
