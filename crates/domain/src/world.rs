//! The rows that a unit has locked and read, and what the decisions made of them.

mod index;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::account::Account;
use crate::catalog::Catalog;
use crate::contact::Contact;
use crate::decision::{DecisionRecord, NewCommand, Outcome};
use crate::enrollment::Enrollment;
use crate::id::{AccountId, ContactId, EnrollmentId, TouchId, Workspace};
use crate::identity::{HashKeys, Identity, IdentityKey, IdentityKind};
use crate::suppression::Suppressions;
use crate::time::BusinessClock;
use crate::touch::{Timer, Touch};

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it was read.
    Clean,
    /// Changed.
    Updated,
    /// Made here.
    Inserted,
    /// To be deleted.
    Deleted,
}

/// Rows of one kind, with what became of each.
#[derive(Debug, Clone)]
pub struct Rows<K, V> {
    rows: BTreeMap<K, (Mark, V)>,
}

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V> Rows<K, V> {
    /// Adds a row as read from the store.
    pub fn load(&mut self, key: K, row: V) {
        self.rows.insert(key, (Mark::Clean, row));
    }

    /// A row, unless deleted.
    pub fn get<Q: ?Sized + Ord>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.rows.get(key).and_then(|(mark, row)| (*mark != Mark::Deleted).then_some(row))
    }

    /// A row to change, unless deleted.
    pub fn get_mut<Q: ?Sized + Ord>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let (mark, row) = self.rows.get_mut(key)?;
        match mark {
            Mark::Deleted => return None,
            Mark::Clean => *mark = Mark::Updated,
            Mark::Updated | Mark::Inserted => {}
        }
        Some(row)
    }

    /// Adds a row, or replaces it.
    pub fn put(&mut self, key: K, row: V) {
        let mark = match self.rows.get(&key) {
            None | Some((Mark::Inserted, _)) => Mark::Inserted,
            Some(_) => Mark::Updated,
        };
        self.rows.insert(key, (mark, row));
    }

    /// Removes a row.
    pub fn remove(&mut self, key: &K) {
        match self.rows.get_mut(key) {
            Some((Mark::Inserted, _)) => {
                self.rows.remove(key);
            }
            Some((mark, _)) => *mark = Mark::Deleted,
            None => {}
        }
    }

    /// All rows that are not deleted, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().filter(|(_, (mark, _))| *mark != Mark::Deleted).map(|(key, (_, row))| (key, row))
    }

    /// The rows to write, in key order.
    pub fn changes(&self) -> impl Iterator<Item = (&K, Mark, &V)> {
        self.rows
            .iter()
            .filter(|(_, (mark, _))| *mark != Mark::Clean)
            .map(|(key, (mark, row))| (key, *mark, row))
    }

    /// How many rows are held, deleted ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Row ids reserved for a unit, from the one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    next: i64,
    end: i64,
}

impl Ids {
    /// The ids `from..end`.
    #[must_use]
    pub fn new(from: i64, end: i64) -> Self {
        Self { next: from, end }
    }

    /// How many are left.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.end - self.next
    }

    fn take(&mut self) -> Result<i64, OutOfIds> {
        if self.next >= self.end {
            return Err(OutOfIds);
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

/// The unit made more rows than ids were reserved: reserve more and fold again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more rows were made than ids were reserved")]
pub struct OutOfIds;

/// Everything that a unit's decisions may see and change: the closure of its inputs, under lock.
#[derive(Debug, Clone)]
pub struct World {
    /// The store's now, in business time.
    pub now: Timestamp,
    /// How wall time maps to business time: of retries, absences and pauses that are named in wall time.
    pub clock: BusinessClock,
    /// The cadences, templates, segments and calendars in force.
    pub catalog: Arc<Catalog>,
    /// The secrets under which identities are hashed.
    pub keys: Arc<HashKeys>,
    /// The identities of the inputs and of the contacts held.
    pub identities: Rows<IdentityKey, Identity>,
    /// The accounts of the contacts held.
    pub accounts: Rows<AccountId, Account>,
    /// The contacts of the inputs; of their accounts too where a live rule needs them.
    pub contacts: Rows<ContactId, Contact>,
    /// All live enrollments of the contacts held, and the last ended one of each cadence.
    pub enrollments: Rows<EnrollmentId, Enrollment>,
    /// The touches of live enrollments that are not final, and those that inputs name.
    pub touches: Rows<TouchId, Touch>,
    /// The timers of the enrollments held, by enrollment.
    pub timers: Rows<EnrollmentId, Timer>,
    /// What was decided, one record an input.
    pub decisions: Vec<DecisionRecord>,
    /// What to tell the world, in order.
    pub outbox: Vec<Outcome>,
    /// What the dispatcher is to do.
    pub commands: Vec<NewCommand>,
    ids: Ids,
    index: index::Index,
    /// Whether a fold ran out of ids; the unit is then folded again with more.
    pub out_of_ids: bool,
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(now: Timestamp, catalog: Arc<Catalog>, keys: Arc<HashKeys>, ids: Ids) -> Self {
        Self {
            now,
            clock: BusinessClock::REAL,
            catalog,
            keys,
            identities: Rows::default(),
            accounts: Rows::default(),
            contacts: Rows::default(),
            enrollments: Rows::default(),
            touches: Rows::default(),
            timers: Rows::default(),
            decisions: Vec::new(),
            outbox: Vec::new(),
            commands: Vec::new(),
            ids,
            index: index::Index::default(),
            out_of_ids: false,
        }
    }

    /// A fresh row id.
    ///
    /// # Errors
    /// When the reserved ones are used up; [`World::out_of_ids`] is set then.
    pub fn fresh_id(&mut self) -> Result<i64, OutOfIds> {
        let id = self.ids.take();
        self.out_of_ids |= id.is_err();
        id
    }

    /// The ids that are still unused.
    #[must_use]
    pub fn unused_ids(&self) -> Ids {
        self.ids
    }

    /// The key under which an identity's row is held: under whichever secret there is a row, else under the current one.
    #[must_use]
    pub fn identity_key(&self, workspace: &Workspace, kind: IdentityKind, value: &str) -> IdentityKey {
        self.keys
            .all(workspace, kind, value)
            .find(|key| self.identities.get(key).is_some())
            .unwrap_or_else(|| self.keys.key(workspace, kind, value))
    }

    /// The row of an identity, made when there is none.
    pub fn identity_mut(&mut self, key: &IdentityKey) -> &mut Identity {
        if self.identities.get(key).is_none() {
            let fresh = Identity {
                key: key.clone(),
                owner: None,
                suppressions: Suppressions::default(),
                erased_at: None,
            };
            self.identities.put(key.clone(), fresh);
        }
        self.identities.get_mut(key).expect("was put above when absent")
    }
}
