//! Reading for people.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use contracts::Wire as _;
use domain::contact::Contact;
use domain::decision::{Cause, DecisionRecord};
use domain::enrollment::Enrollment;
use domain::event::Event;
use domain::id::{ContactId, Digest, EnrollmentUid, SourceName, TouchKey, Workspace};
use domain::identity::{Identity, IdentityKey, IdentityOwner};
use domain::suppression::Suppressions;
use domain::touch::Touch;
use ports::queries::{ContactView, LeftTask, Queries, Summary, TaskFilter, TaskView};
use ports::{StoreError, StoreResult};

use crate::Store;
use crate::commands::GIVEN_UP;
use crate::error::Fail;
use crate::sql::{Conn, Stmt, moment};
use crate::tables::{contact, enrollment, identity, select, timer, touch};
use crate::unit::key;

/// How many tasks, events or decisions are given at most when nobody says.
const PAGE: i64 = 100;
/// How many events and decisions of one contact are given.
const HISTORY: i64 = 1_000;

async fn identities(conn: &mut Conn, keys: &[IdentityKey]) -> Result<Vec<Identity>, Fail> {
    let stmt = conn
        .stmt(&format!("select {} from ", select(identity::COLUMNS, "i")))
        .rows(identity::keys(keys.iter()))
        .sql(" cross join identities i where i.hash = v.hash");
    let asked = identity::Asked::new(keys.iter());
    Ok(conn.fetch(stmt).await?.iter().map(|row| asked.read(row)).collect::<StoreResult<_>>()?)
}

async fn find_contact(
    conn: &mut Conn,
    workspace: &Workspace,
    id: ContactId,
) -> Result<Option<Contact>, Fail> {
    let stmt = conn
        .stmt(&format!("select {} from contacts where id = ", contact::COLUMNS))
        .bind(id.0)
        .sql(" and workspace = ")
        .bind(workspace.as_str());
    Ok(conn.first(stmt).await?.map(|row| contact::read(&row)).transpose()?)
}

fn decision(body: &[u8]) -> StoreResult<DecisionRecord> {
    DecisionRecord::from_bytes(body).map_err(|_| StoreError::Damaged("a decision cannot be read".to_owned()))
}

fn event(body: &[u8]) -> StoreResult<Event> {
    Event::from_bytes(body).map_err(|_| StoreError::Damaged("an event cannot be read".to_owned()))
}

/// The record of an event that changed nothing.
fn nothing(event: &Event, at: jiff::Timestamp, contact: ContactId) -> DecisionRecord {
    DecisionRecord {
        workspace: event.workspace.clone(),
        cause: Cause::of(event),
        contact: Some(contact),
        at,
        items: Vec::new(),
    }
}

impl Store {
    async fn contact_view(&self, workspace: &Workspace, id: ContactId) -> Result<Option<ContactView>, Fail> {
        let mut conn = self.database.snapshot().await?;
        let conn = &mut conn;
        let Some(contact) = find_contact(conn, workspace, id).await? else { return Ok(None) };
        let keys = contact::identities(&contact, &self.keys);
        let suppressions =
            identities(conn, &keys).await?.into_iter().map(|one| (one.key, one.suppressions)).collect();

        let stmt = conn
            .stmt(&format!("select {} from enrollments where contact = ", enrollment::COLUMNS))
            .bind(id.0)
            .sql(" order by entered_at desc, id desc");
        let enrollments: Vec<Enrollment> =
            conn.fetch(stmt).await?.iter().map(enrollment::read).collect::<StoreResult<_>>()?;
        let stmt = conn
            .stmt(&format!("select {} from touches where enrollment", touch::COLUMNS))
            .any(enrollments.iter().map(|one| one.id.0))
            .sql(" order by due_at, id");
        let touches = conn.fetch(stmt).await?.iter().map(touch::read).collect::<StoreResult<_>>()?;
        let stmt = conn
            .stmt(&format!("select {} from timers where enrollment", timer::COLUMNS))
            .any(enrollments.iter().map(|one| one.id.0))
            .sql(" order by due_at");
        let timers = conn.fetch(stmt).await?.iter().map(timer::read).collect::<StoreResult<_>>()?;

        // The newest are found, the oldest of them shown first.
        let stmt = conn
            .stmt("select d.body, d.key from decisions d where d.contact = ")
            .bind(id.0)
            .sql(" order by d.id desc limit ")
            .bind(HISTORY);
        let (mut decisions, mut told) = (Vec::new(), BTreeSet::new());
        for row in conn.fetch(stmt).await? {
            let mut row = row.cursor();
            decisions.push(decision(&row.bytes()?)?);
            told.extend(row.opt_uuid()?);
        }
        decisions.reverse();
        let stmt = conn
            .stmt("select e.body, e.key from events e where e.contact = ")
            .bind(id.0)
            .sql(" order by e.received_at desc limit ")
            .bind(HISTORY);
        let mut events = Vec::new();
        for row in conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let event = event(&row.bytes()?)?;
            // Nothing was written down of what changed nothing.
            if !told.contains(&row.uuid()?) {
                decisions.push(nothing(
                    &event,
                    self.database.time.business().business(event.received_at),
                    id,
                ));
            }
            events.push(event);
        }
        events.reverse();
        decisions.sort_by_key(|record| record.at);
        Ok(Some(ContactView { contact, suppressions, enrollments, touches, timers, decisions, events }))
    }

    async fn views(conn: &mut Conn, touches: Vec<Touch>) -> Result<Vec<TaskView>, Fail> {
        let stmt = conn
            .stmt(&format!("select {} from enrollments where id", enrollment::COLUMNS))
            .any(touches.iter().map(|touch| touch.enrollment.0));
        let mut enrollments = BTreeMap::new();
        for row in conn.fetch(stmt).await? {
            let row = enrollment::read(&row)?;
            enrollments.insert(row.id, row);
        }
        let stmt = conn
            .stmt(&format!("select {} from contacts where id", contact::COLUMNS))
            .any(enrollments.values().map(|enrollment| enrollment.contact.0));
        let mut contacts = BTreeMap::new();
        for row in conn.fetch(stmt).await? {
            let row = contact::read(&row)?;
            contacts.insert(row.id, row);
        }
        let stmt = conn
            .stmt("select a.touch, a.body from attempts a where a.body is not null and a.touch")
            .any(touches.iter().map(|touch| touch.id.0))
            .sql(" order by a.touch, a.no");
        let mut bodies = BTreeMap::new();
        for row in conn.fetch(stmt).await? {
            let mut row = row.cursor();
            let touch = row.int()?;
            // The last one: an earlier one was void.
            bodies.insert(touch, row.bytes()?);
        }
        let view = |touch: Touch| {
            let enrollment = enrollments.get(&touch.enrollment).cloned();
            // The enrollment's, which a merge moves on.
            let contact = enrollment.as_ref().and_then(|one| contacts.get(&one.contact)).cloned();
            let (Some(enrollment), Some(contact)) = (enrollment, contact) else {
                return Err(StoreError::Damaged("a touch has no enrollment or contact".to_owned()));
            };
            let body = bodies.remove(&touch.id.0);
            Ok(TaskView { touch, enrollment, contact, body })
        };
        Ok(touches.into_iter().map(view).collect::<StoreResult<_>>()?)
    }
}

#[async_trait]
impl Queries for Store {
    async fn contact_by_identity(&self, key: &IdentityKey) -> StoreResult<Option<ContactId>> {
        let read = async {
            let mut conn = self.database.snapshot().await?;
            let found = identities(&mut conn, std::slice::from_ref(key)).await?;
            let Some(IdentityOwner::Contact(id)) = found.first().and_then(|one| one.owner) else {
                return Ok(None);
            };
            let stmt = conn
                .stmt("with recursive chain(id, onto) as (select id, merged_into from contacts where id = ")
                .bind(id.0)
                .sql(" union select c.id, c.merged_into from chain h join contacts c on c.id = h.onto) ")
                .sql("select id from chain where onto is null");
            Ok(conn.first(stmt).await?.map(|row| row.cursor().int()).transpose()?.map(ContactId))
        };
        self.reading(read).await
    }

    async fn contact(&self, workspace: &Workspace, contact: ContactId) -> StoreResult<Option<ContactView>> {
        self.reading(self.contact_view(workspace, contact)).await
    }

    async fn suppressions(&self, keys: &[IdentityKey]) -> StoreResult<Vec<(IdentityKey, Suppressions)>> {
        let read = async {
            let mut conn = self.database.reader().await?;
            let found = identities(&mut conn, keys).await?;
            Ok(found.into_iter().map(|one| (one.key, one.suppressions)).collect())
        };
        self.reading(read).await
    }

    async fn enrollment(&self, workspace: &Workspace, uid: EnrollmentUid) -> StoreResult<Option<Enrollment>> {
        let read = async {
            let mut conn = self.database.reader().await?;
            let stmt = conn
                .stmt(&format!("select {} from enrollments where workspace = ", enrollment::COLUMNS))
                .bind(workspace.as_str())
                .sql(" and uid = ")
                .bind(uid.0);
            Ok(conn.first(stmt).await?.map(|row| enrollment::read(&row)).transpose()?)
        };
        self.reading(read).await
    }

    async fn tasks(&self, workspace: &Workspace, filter: &TaskFilter) -> StoreResult<Vec<TaskView>> {
        let read = async {
            let mut conn = self.database.snapshot().await?;
            let stmt = tasks_stmt(&conn, workspace, filter);
            let touches = conn.fetch(stmt).await?.iter().map(touch::read).collect::<StoreResult<_>>()?;
            Self::views(&mut conn, touches).await
        };
        self.reading(read).await
    }

    async fn left_tasks(&self, workspace: &Workspace, limit: usize) -> StoreResult<Vec<LeftTask>> {
        let limit = if limit == 0 { PAGE } else { i64::try_from(limit).unwrap_or(i64::MAX) };
        let read = async {
            let mut conn = self.database.snapshot().await?;
            // From the last answer back: answered commands go after a month.
            let stmt = conn
                .stmt("select c.touch, c.result, c.done_at from commands c where c.done_at is not null and c.workspace = ")
                .bind(workspace.as_str())
                .sql(&format!(" and c.result like '{GIVEN_UP}%' order by c.done_at desc limit "))
                .bind(limit);
            let mut given_up = BTreeMap::new();
            for row in conn.fetch(stmt).await? {
                let mut row = row.cursor();
                let (touch, why, since) = (row.int()?, row.text()?, moment(row.int()?));
                let why = why.trim_start_matches(GIVEN_UP).to_owned();
                given_up.entry(touch).or_insert((why, since));
            }
            let stmt = conn
                .stmt(&format!("select {} from touches where id", touch::COLUMNS))
                .any(given_up.keys().copied());
            let touches = conn.fetch(stmt).await?.iter().map(touch::read).collect::<StoreResult<_>>()?;
            let tasks = Self::views(&mut conn, touches).await?;
            let mut left: Vec<LeftTask> = tasks
                .into_iter()
                .filter_map(|task| {
                    let (why, since) = given_up.remove(&task.touch.id.0)?;
                    Some(LeftTask { task, why, since })
                })
                .collect();
            left.sort_by_key(|one| std::cmp::Reverse(one.since));
            Ok(left)
        };
        self.reading(read).await
    }

    async fn task(&self, workspace: &Workspace, key: TouchKey) -> StoreResult<Option<TaskView>> {
        let read = async {
            let mut conn = self.database.snapshot().await?;
            let stmt = conn
                .stmt(&format!("select {} from touches where uid = ", touch::COLUMNS))
                .bind(key.0)
                .sql(" and workspace = ")
                .bind(workspace.as_str());
            let touches = conn.fetch(stmt).await?.iter().map(touch::read).collect::<StoreResult<_>>()?;
            Ok(Self::views(&mut conn, touches).await?.into_iter().next())
        };
        self.reading(read).await
    }

    async fn decisions_after(
        &self,
        workspace: &Workspace,
        after: Option<i64>,
        limit: usize,
    ) -> StoreResult<Vec<(i64, DecisionRecord)>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = async {
            let mut conn = self.database.reader().await?;
            let stmt = conn
                .stmt("select d.id, d.body from decisions d where d.workspace = ")
                .bind(workspace.as_str());
            let stmt = match after {
                Some(after) => stmt.sql(" and d.id > ").bind(after).sql(" order by d.id limit ").bind(limit),
                None => stmt.sql(" order by d.id desc limit ").bind(limit),
            };
            let mut records = Vec::new();
            for row in conn.fetch(stmt).await? {
                let mut row = row.cursor();
                records.push((row.int()?, decision(&row.bytes()?)?));
            }
            records.sort_by_key(|(id, _)| *id);
            Ok(records)
        };
        self.reading(read).await
    }

    async fn workspaces(&self) -> StoreResult<Vec<String>> {
        let read = async {
            let mut conn = self.database.reader().await?;
            // One look into the index a workspace, however much was decided.
            let stmt = conn
                .stmt(
                    "with recursive known(workspace) as (select min(r.workspace) from decisions r union all ",
                )
                .sql("select (select min(r.workspace) from decisions r where r.workspace > k.workspace) ")
                .sql("from known k where k.workspace is not null) ")
                .sql("select k.workspace from known k where k.workspace is not null ")
                .sql("union select d.workspace from documents d order by workspace");
            texts(&mut conn, stmt).await
        };
        self.reading(read).await
    }

    async fn owners(&self, workspace: &Workspace) -> StoreResult<Vec<String>> {
        let read = async {
            let mut conn = self.database.reader().await?;
            let stmt = conn
                .stmt("select c.owner from contacts c where c.owner is not null and c.workspace = ")
                .bind(workspace.as_str())
                .sql(" union select t.owner from touches t where t.owner is not null and t.workspace = ")
                .bind(workspace.as_str())
                .sql(" order by owner");
            texts(&mut conn, stmt).await
        };
        self.reading(read).await
    }

    async fn event(&self, workspace: &Workspace, source: &str, digest: Digest) -> StoreResult<Option<Event>> {
        let read = async {
            let mut conn = self.database.reader().await?;
            let Ok(source) = SourceName::new(source) else { return Ok(None) };
            // By when it was received, which its key leads to: in that order the events lie.
            let stmt = conn
                .stmt("select e.body from dedupe x cross join events e where x.key = ")
                .bind(key((workspace, &source, digest)))
                .sql(" and e.received_at = x.received_at and e.key = x.key");
            let row = conn.first(stmt).await?;
            Ok(row.map(|row| row.cursor().bytes()).transpose()?.map(|body| event(&body)).transpose()?)
        };
        self.reading(read).await
    }

    async fn summary(&self, workspace: &Workspace) -> StoreResult<Summary> {
        let name = workspace.as_str();
        let read = async {
            let mut conn = self.database.snapshot().await?;
            let stmt = conn
                .stmt("select (select count(*) from contacts where merged_into is null and workspace = ")
                .bind(name)
                .sql(&format!(
                    "), (select count(*) from enrollments where {} and workspace = ",
                    enrollment::LIVE
                ))
                .bind(name)
                .sql(")");
            let (mut contacts, mut live) = (0, 0);
            if let Some(row) = conn.first(stmt).await? {
                let mut row = row.cursor();
                (contacts, live) = (row.int()?, row.int()?);
            }
            let stmt = conn
                .stmt("select state, count(*) from touches where workspace = ")
                .bind(name)
                .sql(" group by state");
            let mut summary = Summary { contacts, live, ..Summary::default() };
            for row in conn.fetch(stmt).await? {
                let mut row = row.cursor();
                let (state, count) = (row.text()?, row.int()?);
                match state.as_str() {
                    "open" => summary.open = count,
                    "scheduled" => summary.scheduled = count,
                    "failed" => summary.failed = count,
                    "unknown" => summary.unknown = count,
                    _ => {}
                }
            }
            Ok(summary)
        };
        self.reading(read).await
    }
}

async fn texts(conn: &mut Conn, stmt: Stmt) -> Result<Vec<String>, Fail> {
    let rows = conn.fetch(stmt).await?;
    Ok(rows.iter().map(|row| row.cursor().text()).collect::<StoreResult<_>>()?)
}

fn tasks_stmt(conn: &Conn, workspace: &Workspace, filter: &TaskFilter) -> Stmt {
    let mut stmt = conn
        .stmt(&format!("select {} from touches t where t.workspace = ", select(touch::COLUMNS, "t")))
        .bind(workspace.as_str())
        .sql(" and t.state = ")
        .bind(filter.state.unwrap_or(domain::touch::TouchState::Open).as_str());
    if let Some(owner) = &filter.owner {
        stmt = stmt.sql(" and t.owner = ").bind(owner.as_str());
    }
    if let Some(channel) = filter.channel {
        stmt = stmt.sql(" and t.channel = ").bind(channel.as_str());
    }
    if let Some(contact) = filter.contact {
        stmt = stmt
            .sql(" and t.enrollment in (select e.id from enrollments e where e.contact = ")
            .bind(contact.0)
            .sql(")");
    }
    let limit = if filter.limit == 0 { PAGE } else { i64::try_from(filter.limit).unwrap_or(i64::MAX) };
    stmt.sql(" order by t.due_at, t.id limit ").bind(limit)
}
