//! Erasure beyond the unit: what other tables hold of a person who was erased.
//!
//! The unit that erases leaves keyed hashes and stops, clears the contact, and notes here whom it erased and what they were
//! called. Right after, the person's events, decisions, attempts, touches and things set aside are removed or blanked, and
//! the note with them. It stays while an attempt is in flight: its result is still to come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use contracts::{DeadLetter, Parcel, Waiting, Wire as _};
use domain::attributes::Attributes;
use domain::decision::{Decision, DecisionRecord, Outcome};
use domain::enrollment::Enrollment;
use domain::id::Workspace;
use domain::identity::{HashKeys, SubjectKeys};
use ports::StoreResult;
use ports::bus::Topic;

use crate::Store;
use crate::error::Fail;
use crate::naming::names;
use crate::parcels;
use crate::session::{Tx, Work};
use crate::sql::{Conn, RowSet, from_json};
use crate::tables::{self, enrollment, identity, workspace};
use crate::unit::nameless;

/// How many erasures are carried out in one go.
const MOST: i64 = 50;
/// How many rows are looked through at a time.
const PAGE: i64 = 200;

/// An erasure that is to be carried out.
#[derive(Debug, Clone)]
struct Erasure {
    id: i64,
    workspace: Workspace,
    contact: Option<i64>,
    names: SubjectKeys,
}

impl Erasure {
    /// Whether a payload speaks of them: names an address, a number or a long CRM id, however it is written.
    fn is_named_in(&self, payload: &[u8]) -> bool {
        names(payload, &self.names)
    }

    /// Whether a dead letter is about them: its event may name them by a CRM id alone.
    fn is_named_in_letter(&self, payload: &[u8]) -> bool {
        let same = |event: domain::event::Event| {
            let named = event.subject.iter().collect::<BTreeSet<_>>();
            event.workspace == self.workspace && self.names.iter().any(|name| named.contains(&name))
        };
        let event = DeadLetter::from_bytes(payload).ok().and_then(|letter| letter.event().ok());
        event.is_some_and(same) || self.is_named_in(payload)
    }
}

/// What messages and lists hold of them.
#[derive(Debug, Default)]
struct Found {
    asides: BTreeSet<i64>,
    /// Rows of the outbox without what is said of them: how many messages are left, and the body.
    parcels: BTreeMap<i64, (usize, Vec<u8>)>,
}

impl Store {
    /// Carries erasures out that were noted; says how many.
    pub(crate) async fn purge(&self) -> StoreResult<usize> {
        let mut done = 0;
        for erasure in self.reading(self.erasures()).await? {
            let id = erasure.id;
            let outcome = async {
                let found = self.find_messages(&erasure).await?;
                let work = Purge { erasure, found, keys: Arc::clone(&self.keys) };
                self.database.transact(Arc::new(work)).await
            };
            match outcome.await.map_err(Fail::into_error) {
                Ok(Carried::Out) => done += 1,
                Ok(Carried::Later) => {}
                // One that cannot be carried out keeps no other back.
                Err(error) if !error.is_transient() => {
                    tracing::error!(error = %error, erasure = id, "an erasure cannot be carried out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    async fn erasures(&self) -> Result<Vec<Erasure>, Fail> {
        let mut conn = self.database.reader().await?;
        let stmt = conn
            .stmt("select e.id, e.workspace, e.contact, e.names from erasures e order by e.id limit ")
            .bind(MOST);
        let mut erasures = Vec::new();
        for row in conn.fetch(stmt).await? {
            let mut row = row.cursor();
            erasures.push(Erasure {
                id: row.int()?,
                workspace: workspace(row.text()?)?,
                contact: row.opt_int()?,
                names: from_json(&row.text()?, "name")?,
            });
        }
        Ok(erasures)
    }

    /// Looks through what was set aside and what was not relayed yet, page by page and without a lock.
    async fn find_messages(&self, erasure: &Erasure) -> Result<Found, Fail> {
        let mut conn = self.database.reader().await?;
        let mut found = Found::default();
        let mut after = 0;
        loop {
            let stmt = conn
                .stmt("select a.id, a.list, a.payload from asides a where a.workspace = ")
                .bind(erasure.workspace.as_str())
                .sql(" and a.id > ")
                .bind(after)
                .sql(" order by a.id limit ")
                .bind(PAGE);
            let rows = conn.fetch(stmt).await?;
            for row in &rows {
                let mut row = row.cursor();
                after = row.int()?;
                let (list, payload) = (row.text()?, row.bytes()?);
                let named = if list == crate::asides::DEAD_LETTER {
                    erasure.is_named_in_letter(&payload)
                } else {
                    erasure.is_named_in(&payload)
                };
                if named {
                    found.asides.insert(after);
                }
            }
            if rows.is_empty() {
                break;
            }
        }
        after = 0;
        loop {
            let stmt = conn
                .stmt("select o.id, o.body from outbox o where o.id > ")
                .bind(after)
                .sql(" order by o.id limit ")
                .bind(PAGE);
            let rows = conn.fetch(stmt).await?;
            for row in &rows {
                let mut row = row.cursor();
                after = row.int()?;
                if let Some(left) = without(&row.bytes()?, erasure)? {
                    found.parcels.insert(after, left);
                }
            }
            if rows.is_empty() {
                return Ok(found);
            }
        }
    }
}

/// A row of the outbox without what speaks of somebody: how many messages are left up to the last one, and the body.
/// `None`: nothing does. What is taken out leaves its place, so that the others keep theirs.
fn without(body: &[u8], erasure: &Erasure) -> StoreResult<Option<(usize, Vec<u8>)>> {
    let messages = parcels::open(body)?;
    let mut left: Vec<Waiting> = messages.iter().map(|message| cleared(message, erasure)).collect();
    if left == messages {
        return Ok(None);
    }
    while left.last() == Some(&Waiting::Gone) {
        left.pop();
    }
    Ok(Some((left.len(), Parcel(left).to_bytes().to_vec())))
}

fn cleared(message: &Waiting, erasure: &Erasure) -> Waiting {
    match message {
        Waiting::Written { topic, message } if topic == Topic::DeadLetter.as_str() => {
            if erasure.is_named_in_letter(&message.payload) {
                return Waiting::Gone;
            }
        }
        Waiting::Outcome(payload) => {
            if let Ok(mut outcome) = Outcome::from_bytes(payload)
                && outcome.workspace == erasure.workspace
                && outcome.contact.is_some_and(|contact| Some(contact.0) == erasure.contact)
            {
                blank(&mut outcome.what);
                outcome.event = None;
                return Waiting::Outcome(outcome.to_bytes());
            }
        }
        Waiting::Written { .. } | Waiting::Gone => {}
    }
    message.clone()
}

/// Takes out what a decision saw.
fn blank(decision: &mut Decision) {
    match decision {
        Decision::Refused { refusal, .. } => refusal.seen = Arc::new(serde_json::Value::Null),
        Decision::Ignored { why } | Decision::Noted { what: why } | Decision::Advanced { why, .. } => {
            why.text.clear();
        }
        Decision::Touched { what, .. } => what.text.clear(),
        Decision::Scheduled { shifts, .. } => shifts.iter_mut().for_each(|shift| shift.text.clear()),
        Decision::Enrolled { .. }
        | Decision::Ended { .. }
        | Decision::Paused { .. }
        | Decision::Resumed { .. } => {}
    }
}

/// How an erasure went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    Out,
    /// An attempt is in flight.
    Later,
}

/// One erasure, in one transaction: in the lock order contacts, enrollments, touches.
struct Purge {
    erasure: Erasure,
    found: Found,
    keys: Arc<HashKeys>,
}

#[async_trait]
impl Work for Purge {
    type Out = Carried;

    async fn run(&self, tx: &mut Tx) -> Result<Carried, Fail> {
        let conn = &mut tx.conn;
        if let Some(contact) = self.erasure.contact {
            let contacts = family(conn, contact).await?;
            let enrollments = lock_enrollments(conn, &contacts).await?;
            let touches = lock_touches(conn, &enrollments).await?;
            if in_flight(conn, &touches).await? {
                return Ok(Carried::Later);
            }
            forget_touches(conn, &touches).await?;
            forget_enrollments(conn, enrollments).await?;
            let stmt = conn
                .stmt("select d.id, d.body from decisions d where d.contact")
                .any(contacts.iter().copied());
            forget_decisions(conn, stmt).await?;
            let stmt = conn.stmt("delete from events where contact").any(contacts.iter().copied());
            conn.run(stmt).await?;
        }
        self.forget_strays(conn).await?;
        self.forget_messages(conn).await?;
        let stmt = conn.stmt("delete from erasures where id = ").bind(self.erasure.id);
        conn.run(stmt).await?;
        Ok(Carried::Out)
    }
}

impl Purge {
    /// Events that name them and are of nobody, or of somebody else.
    async fn forget_strays(&self, conn: &mut Conn) -> Result<(), Fail> {
        let names = self.erasure.names.iter();
        let hashes: Vec<_> = names
            .flat_map(|(kind, value)| self.keys.all(&self.erasure.workspace, kind, value).collect::<Vec<_>>())
            .collect();
        if hashes.is_empty() {
            return Ok(());
        }
        let stmt = conn
            .stmt("select s.key, s.contact from ")
            .rows(identity::keys(hashes.iter()))
            .sql(" cross join strays s where s.identity = v.hash");
        let (mut of_nobody, mut of_others) = (BTreeSet::new(), BTreeSet::new());
        for row in conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let key = row.uuid()?;
            match row.opt_int()? {
                Some(contact) => drop(of_others.insert((contact, key))),
                None => drop(of_nobody.insert(key)),
            }
        }
        if !of_nobody.is_empty() {
            let stmt = conn
                .stmt("select d.id, d.body from ")
                .rows(RowSet::new(of_nobody.len()).uuid("key", of_nobody.iter().copied()))
                .sql(" cross join decisions d where d.contact is null and d.key = v.key");
            forget_decisions(conn, stmt).await?;
            let stmt = conn
                .stmt("delete from events where contact is null and key in (select v.key from ")
                .rows(RowSet::new(of_nobody.len()).uuid("key", of_nobody.iter().copied()))
                .sql(")");
            conn.run(stmt).await?;
        }
        if !of_others.is_empty() {
            let set = RowSet::new(of_others.len())
                .int("contact", of_others.iter().map(|(contact, _)| *contact))
                .uuid("key", of_others.iter().map(|(_, key)| *key));
            let stmt = conn
                .stmt("delete from events where exists (select 1 from ")
                .rows(set)
                .sql(" where v.contact = events.contact and v.key = events.key) and events.contact")
                .any(of_others.iter().map(|(contact, _)| *contact));
            conn.run(stmt).await?;
        }
        let stmt = conn
            .stmt("delete from strays where identity in (select v.hash from ")
            .rows(identity::keys(hashes.iter()))
            .sql(")");
        conn.run(stmt).await.map(drop)
    }

    async fn forget_messages(&self, conn: &mut Conn) -> Result<(), Fail> {
        let found = &self.found;
        if !found.asides.is_empty() {
            let stmt = conn.stmt("delete from asides where id").any(found.asides.iter().copied());
            let gone = conn.run(stmt).await?;
            tracing::info!(gone, "things set aside that spoke of an erased person are gone");
        }
        if found.parcels.is_empty() {
            return Ok(());
        }
        let count = |left: &(usize, Vec<u8>)| i64::try_from(left.0).unwrap_or(i64::MAX);
        let set = RowSet::new(found.parcels.len())
            .int("id", found.parcels.keys().copied())
            .int("messages", found.parcels.values().map(count))
            .bytes("body", found.parcels.values().map(|(_, body)| body.clone()));
        // What was relayed meanwhile is no longer here.
        let stmt = conn
            .stmt("update outbox set messages = v.messages, body = v.body from ")
            .rows(set)
            .sql(" where outbox.id = v.id");
        conn.run(stmt).await?;
        let stmt = conn
            .stmt("delete from outbox where relayed >= messages and id")
            .any(found.parcels.keys().copied());
        conn.run(stmt).await.map(drop)
    }
}

/// The contact and those merged into it, locked.
async fn family(conn: &mut Conn, contact: i64) -> Result<BTreeSet<i64>, Fail> {
    let stmt = conn
        .stmt("with recursive family(id) as (select id from contacts where id = ")
        .bind(contact)
        .sql(" union select c.id from family f join contacts c on c.merged_into = f.id where c.merged_into is not null) ")
        .sql("select id from family");
    let ids = numbers(conn, stmt).await?;
    let stmt =
        conn.stmt("select c.id from contacts c where c.id").any(ids.iter().copied()).sql(" order by c.id");
    numbers(conn, stmt.lock("c")).await
}

async fn lock_enrollments(conn: &mut Conn, contacts: &BTreeSet<i64>) -> Result<Vec<Enrollment>, Fail> {
    let stmt = conn.stmt("select e.id from enrollments e where e.contact").any(contacts.iter().copied());
    let ids = numbers(conn, stmt).await?;
    let stmt = conn
        .stmt(&format!("select {} from enrollments e where e.id", enrollment::COLUMNS))
        .any(ids)
        .sql(" order by e.id")
        .lock("e");
    Ok(conn.fetch(stmt).await?.iter().map(enrollment::read).collect::<StoreResult<_>>()?)
}

async fn lock_touches(conn: &mut Conn, enrollments: &[Enrollment]) -> Result<BTreeSet<i64>, Fail> {
    let stmt = conn
        .stmt("select t.id from touches t where t.enrollment")
        .any(enrollments.iter().map(|one| one.id.0));
    let ids = numbers(conn, stmt).await?;
    let stmt = conn.stmt("select t.id from touches t where t.id").any(ids).sql(" order by t.id").lock("t");
    numbers(conn, stmt).await
}

async fn in_flight(conn: &mut Conn, touches: &BTreeSet<i64>) -> Result<bool, Fail> {
    let stmt = conn
        .stmt("select f.touch from in_flight f where f.touch")
        .any(touches.iter().copied())
        .sql(" limit 1");
    Ok(conn.first(stmt).await?.is_some())
}

async fn numbers(conn: &mut Conn, stmt: crate::sql::Stmt) -> Result<BTreeSet<i64>, Fail> {
    let mut numbers = BTreeSet::new();
    for row in conn.fetch(stmt).await? {
        numbers.insert(row.cursor().int()?);
    }
    Ok(numbers)
}

/// Bodies, answers and reasons; the rows stay, since tasks at the CRM are taken back by them.
async fn forget_touches(conn: &mut Conn, touches: &BTreeSet<i64>) -> Result<(), Fail> {
    let ids = || touches.iter().copied();
    for text in [
        "update attempts set body = null where touch",
        "delete from results where touch",
        "update touches set note = null, outcome = null, trace = null where id",
        "update commands set result = null where done_at is not null and touch",
    ] {
        let stmt = conn.stmt(text).any(ids());
        conn.run(stmt).await?;
    }
    Ok(())
}

/// What the events that enrolled them said, and how their steps went.
async fn forget_enrollments(conn: &mut Conn, mut enrollments: Vec<Enrollment>) -> Result<(), Fail> {
    for one in &mut enrollments {
        one.entry.data = Attributes::new();
        one.entry.actor = None;
        one.trace = None;
        for record in &mut one.progress.history {
            (record.message_id, record.outcome) = (None, None);
        }
    }
    let all: Vec<&Enrollment> = enrollments.iter().collect();
    tables::update(conn, "enrollments", "id", enrollment::rows(&all)).await
}

/// Blanks decisions.
async fn forget_decisions(conn: &mut Conn, found: crate::sql::Stmt) -> Result<(), Fail> {
    let mut bodies = BTreeMap::new();
    for row in conn.fetch(found).await? {
        let mut row = row.cursor();
        let id = row.int()?;
        // Unreadable or not: it goes.
        let record = DecisionRecord::from_bytes(&row.bytes()?).ok().map(|record| {
            let mut record = nameless(&record);
            record.items.iter_mut().for_each(blank);
            record
        });
        bodies.insert(id, record.map(|record| record.to_bytes().to_vec()));
    }
    let lost: Vec<i64> = bodies.iter().filter(|(_, body)| body.is_none()).map(|(id, _)| *id).collect();
    if !lost.is_empty() {
        let stmt = conn.stmt("delete from decisions where id").any(lost);
        conn.run(stmt).await?;
    }
    let kept: Vec<(i64, Vec<u8>)> =
        bodies.into_iter().filter_map(|(id, body)| body.map(|body| (id, body))).collect();
    if kept.is_empty() {
        return Ok(());
    }
    let set = RowSet::new(kept.len())
        .int("id", kept.iter().map(|(id, _)| *id))
        .bytes("body", kept.iter().map(|(_, body)| body.clone()));
    let stmt =
        conn.stmt("update decisions set body = v.body from ").rows(set).sql(" where decisions.id = v.id");
    conn.run(stmt).await.map(drop)
}
