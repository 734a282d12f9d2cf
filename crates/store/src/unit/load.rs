//! Locking and reading what a closure names, in the one lock order: identities, accounts, contacts, enrollments, touches,
//! timers; each in a statement of its own, sorted by key.

use std::collections::BTreeSet;

use domain::id::{AccountId, ContactId, EnrollmentId, TouchId};
use domain::identity::{Identity, IdentityKey, IdentityKind};
use domain::world::World;

use super::closure::{Closure, siblings};
use crate::error::Fail;
use crate::sql::{Conn, Stmt};
use crate::tables::contact::Reached;
use crate::tables::{account, contact, enrollment, identity, select, timer, touch};

/// Whether rows are locked as they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Against every writer.
    Lock,
    /// Against writers, with other readers.
    Share,
    /// Not at all.
    Free,
}

/// Fills a world.
pub(crate) struct Loader<'a> {
    pub(crate) conn: &'a mut Conn,
    pub(crate) world: &'a mut World,
}

fn hold(stmt: Stmt, hold: Hold, alias: &str) -> Stmt {
    match hold {
        Hold::Lock => stmt.lock(alias),
        Hold::Share => stmt.share(alias),
        Hold::Free => stmt,
    }
}

impl Loader<'_> {
    /// Locks identities, accounts and contacts; gives the siblings as they are once their accounts are held.
    pub(super) async fn lock_people(&mut self, closure: &Closure) -> Result<Vec<Reached>, Fail> {
        self.make_identities(&closure.needed).await?;
        // Those of accounts come after all others, each in a step of its own: one whose account was known when it was found
        // is shared, and another unit may hold it against everybody, having looked before there was an account. No two
        // units can have found two of them the other way round, since an account that is known stays known.
        let (accounts, people): (Vec<_>, Vec<_>) = closure.identities.iter().partition(|key| is_account(key));
        let (settled, open): (Vec<_>, Vec<_>) =
            accounts.into_iter().partition(|key| closure.settled.contains(key));
        self.identities(people.into_iter(), Hold::Lock).await?;
        self.identities(open.into_iter(), Hold::Lock).await?;
        self.identities(settled.into_iter(), Hold::Share).await?;
        let there = closure.needed.iter().chain(&closure.present);
        let missing = there.filter(|key| self.world.identities.get(key).is_none()).count();
        all_there("identities", missing)?;
        let accounts = if closure.holds_accounts { Hold::Lock } else { Hold::Share };
        self.accounts(&closure.accounts, accounts).await?;
        all_there("accounts", closure.accounts.len() - self.world.accounts.len())?;
        self.contacts(&closure.contacts, Hold::Lock).await?;
        all_there("contacts", closure.contacts.len() - self.world.contacts.len())?;
        if closure.whole.is_empty() {
            return Ok(Vec::new());
        }
        siblings(self.conn, &closure.whole).await
    }

    /// Locks enrollments, touches and timers of the contacts held.
    pub(super) async fn lock_cadences(&mut self, closure: &Closure) -> Result<(), Fail> {
        let contacts: Vec<ContactId> = self.world.contacts.iter().map(|(id, _)| *id).collect();
        self.enrollments(&contacts, &closure.enrollments, Hold::Lock).await?;
        let live = self.live();
        self.touches(&live, &closure.touches, Hold::Lock).await?;
        self.timers(Hold::Lock).await
    }

    /// The enrollments held that are live.
    pub(crate) fn live(&self) -> Vec<EnrollmentId> {
        self.world.enrollments.iter().filter(|(_, one)| one.state.is_live()).map(|(id, _)| *id).collect()
    }

    async fn make_identities(&mut self, needed: &BTreeSet<IdentityKey>) -> Result<(), Fail> {
        if needed.is_empty() {
            return Ok(());
        }
        let stmt = self
            .conn
            .stmt("insert into identities (hash, workspace, kind) select v.hash, v.workspace, v.kind from ")
            .rows(identity::names(needed.iter()))
            .sql(" where true order by 1 on conflict do nothing");
        self.conn.run(stmt).await.map(drop)
    }

    pub(crate) async fn identities<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k IdentityKey> + Clone,
        holding: Hold,
    ) -> Result<(), Fail> {
        let set = identity::keys(keys.clone());
        if set.is_empty() {
            return Ok(());
        }
        let stmt = self
            .conn
            .stmt(&format!("select {} from ", select(identity::COLUMNS, "i")))
            .rows(set)
            .sql(" cross join identities i where i.hash = v.hash order by i.hash");
        let asked = identity::Asked::new(keys);
        for row in self.conn.fetch(hold(stmt, holding, "i")).await? {
            let row: Identity = asked.read(&row)?;
            self.world.identities.load(row.key.clone(), row);
        }
        Ok(())
    }

    pub(crate) async fn accounts(&mut self, ids: &BTreeSet<AccountId>, holding: Hold) -> Result<(), Fail> {
        if ids.is_empty() {
            return Ok(());
        }
        let stmt = self
            .conn
            .stmt(&format!("select {} from accounts a where id", account::COLUMNS))
            .any(ids.iter().map(|id| id.0))
            .sql(" order by id");
        for row in self.conn.fetch(hold(stmt, holding, "a")).await? {
            let row = account::read(&row)?;
            self.world.accounts.load(row.id, row);
        }
        Ok(())
    }

    pub(crate) async fn contacts(&mut self, ids: &BTreeSet<ContactId>, holding: Hold) -> Result<(), Fail> {
        if ids.is_empty() {
            return Ok(());
        }
        let stmt = self
            .conn
            .stmt(&format!("select {} from contacts c where id", contact::COLUMNS))
            .any(ids.iter().map(|id| id.0))
            .sql(" order by id");
        for row in self.conn.fetch(hold(stmt, holding, "c")).await? {
            let row = contact::read(&row)?;
            self.world.contacts.load(row.id, row);
        }
        Ok(())
    }

    /// Live enrollments of contacts, the named ones, and the last ended one of each contact and cadence.
    async fn enrollments(
        &mut self,
        contacts: &[ContactId],
        named: &BTreeSet<EnrollmentId>,
        holding: Hold,
    ) -> Result<(), Fail> {
        if contacts.is_empty() && named.is_empty() {
            return Ok(());
        }
        // Found first and then locked by their keys alone: PostgreSQL drops a row without a word when it changed since the
        // statement began and the statement finds it in a less direct way.
        let mut ids: BTreeSet<i64> = named.iter().map(|id| id.0).collect();
        if !contacts.is_empty() {
            let find = self
                .conn
                .stmt("select e.id from enrollments e where e.contact")
                .any(contacts.iter().map(|id| id.0))
                .sql(&format!(" and e.{}", enrollment::LIVE));
            ids.extend(self.conn.ids(find).await?);
        }
        let stmt = self.conn.stmt(&format!("select {} from enrollments e where e.id", enrollment::COLUMNS));
        let found = ids.len();
        let stmt = stmt.any(ids).sql(" order by e.id");
        let rows = self.conn.fetch(hold(stmt, holding, "e")).await?;
        all_there("enrollments", found - rows.len())?;
        for row in rows {
            let row = enrollment::read(&row)?;
            self.world.enrollments.load(row.id, row);
        }
        if contacts.is_empty() {
            return Ok(());
        }
        // The contact's lock keeps what has ended as it is.
        let ended = self
            .conn
            .stmt(&format!("select {} from (select {}, ", enrollment::COLUMNS, enrollment::COLUMNS))
            .sql(
                "row_number() over (partition by contact, cadence order by ended_at desc, id desc) as place ",
            )
            .sql("from enrollments where ended_at is not null and contact")
            .any(contacts.iter().map(|id| id.0))
            .sql(") as e where place = 1");
        for row in self.conn.fetch(ended).await? {
            let row = enrollment::read(&row)?;
            if self.world.enrollments.get(&row.id).is_none() {
                self.world.enrollments.load(row.id, row);
            }
        }
        Ok(())
    }

    /// Enrollments by id.
    pub(crate) async fn enrollments_named(&mut self, ids: &BTreeSet<EnrollmentId>) -> Result<(), Fail> {
        self.enrollments(&[], ids, Hold::Free).await
    }

    /// Touches of enrollments that are not final, and the named ones.
    pub(crate) async fn touches(
        &mut self,
        enrollments: &[EnrollmentId],
        named: &BTreeSet<TouchId>,
        holding: Hold,
    ) -> Result<(), Fail> {
        if enrollments.is_empty() && named.is_empty() {
            return Ok(());
        }
        let mut ids: BTreeSet<i64> = named.iter().map(|id| id.0).collect();
        if !enrollments.is_empty() {
            let find = self
                .conn
                .stmt("select t.id from touches t where t.enrollment")
                .any(enrollments.iter().map(|id| id.0))
                .sql(&format!(" and not t.{}", touch::FINAL));
            ids.extend(self.conn.ids(find).await?);
        }
        let stmt = self.conn.stmt(&format!("select {} from touches t where t.id", touch::COLUMNS));
        let found = ids.len();
        let stmt = stmt.any(ids).sql(" order by t.id");
        let rows = self.conn.fetch(hold(stmt, holding, "t")).await?;
        if holding == Hold::Lock {
            all_there("touches", found - rows.len())?;
        }
        for row in rows {
            let row = touch::read(&row)?;
            self.world.touches.load(row.id, row);
        }
        Ok(())
    }

    /// The timers of the enrollments held.
    pub(crate) async fn timers(&mut self, holding: Hold) -> Result<(), Fail> {
        let ids: Vec<i64> = self.world.enrollments.iter().map(|(id, _)| id.0).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let stmt = self
            .conn
            .stmt(&format!("select {} from timers m where enrollment", timer::COLUMNS))
            .any(ids)
            .sql(" order by enrollment");
        for row in self.conn.fetch(hold(stmt, holding, "m")).await? {
            let row = timer::read(&row)?;
            self.world.timers.load(EnrollmentId(row.owner), row);
        }
        Ok(())
    }
}

/// Rows that were found are never deleted, so one that a lock did not give was dropped by the database: begin again.
fn all_there(what: &'static str, missing: usize) -> Result<(), Fail> {
    if missing == 0 { Ok(()) } else { Err(Fail::Contended(format!("{missing} {what} were not given"))) }
}

fn is_account(key: &IdentityKey) -> bool {
    matches!(key.kind, IdentityKind::AccountId | IdentityKind::AccountDomain)
}
