//! Writing what a fold changed, one or two statements a table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::Wire as _;
use domain::decision::DecisionRecord;
use domain::event::Event;
use domain::id::{ContactId, EnrollmentId, TouchId};
use domain::identity::HashKeys;
use domain::input::{Input, TouchReport};
use domain::touch::{AttemptResult, Timer, Touch};
use domain::world::{Mark, Rows, World};
use ports::bus::Message;
use ports::unit::{Admitted, Standing};
use ports::{StoreError, StoreResult};
use uuid::Uuid;

use crate::budgets::{self, Held};
use crate::error::Fail;
use crate::parcels::Parcels;
use crate::session::Tx;
use crate::sql::{Conn, RowSet, micros, to_json};
use crate::tables::{account, contact, enrollment, identity, insert, insert_from, timer, touch, update};
use crate::unit::dedupe::{self, Place};
use crate::unit::erasing::{self, Erased};

/// What is to be written.
pub(super) struct Writing<'a> {
    pub(super) world: &'a World,
    pub(super) admitted: &'a [Admitted],
    pub(super) letters: &'a [Message],
    /// What touches had reserved when they were read.
    pub(super) reserved: &'a BTreeMap<TouchId, Vec<String>>,
    pub(super) keys: &'a HashKeys,
    /// The keys of the events among the inputs, in their order.
    pub(super) events: &'a [Uuid],
    /// Whom the fold erased.
    pub(super) erased: &'a [Erased],
}

/// An event that is kept.
#[derive(Clone, Copy)]
struct Kept<'a> {
    event: &'a Event,
    key: Uuid,
    /// Who it is about.
    contact: Option<ContactId>,
}

/// The rows of a table by what to do.
struct Changes<'a, V> {
    inserted: Vec<&'a V>,
    updated: Vec<&'a V>,
}

fn changes<K: Ord + Clone, V>(rows: &Rows<K, V>) -> Changes<'_, V> {
    let mut changes = Changes { inserted: Vec::new(), updated: Vec::new() };
    for (_, mark, row) in rows.changes() {
        match mark {
            Mark::Inserted => changes.inserted.push(row),
            Mark::Updated => changes.updated.push(row),
            // Nothing of these kinds is ever deleted: aliases, tombstones and history stay.
            Mark::Clean | Mark::Deleted => {}
        }
    }
    changes
}

impl Writing<'_> {
    pub(super) async fn write(&self, tx: &mut Tx) -> Result<(), Fail> {
        let conn = &mut tx.conn;
        self.identities(conn).await?;
        let accounts = changes(&self.world.accounts);
        insert(conn, "accounts", account::rows(&accounts.inserted)?).await?;
        update(conn, "accounts", "id", account::rows(&accounts.updated)?).await?;
        let contacts = changes(&self.world.contacts);
        insert(conn, "contacts", contact::rows(&contacts.inserted)?).await?;
        update(conn, "contacts", "id", contact::rows(&contacts.updated)?).await?;
        let enrollments = changes(&self.world.enrollments);
        insert(conn, "enrollments", enrollment::rows(&enrollments.inserted)).await?;
        update(conn, "enrollments", "id", enrollment::changes(&enrollments.updated)).await?;
        self.touches(conn).await?;
        self.timers(conn).await?;
        self.results(tx).await?;
        self.budgets(tx).await?;
        self.commands(tx).await?;
        let conn = &mut tx.conn;
        let forgotten = erasing::forgotten(&self.world.decisions);
        self.events(conn, &self.kept(&forgotten)).await?;
        self.decisions(conn, &forgotten).await?;
        self.outbox(conn).await
    }

    async fn identities(&self, conn: &mut Conn) -> Result<(), Fail> {
        let changes = changes(&self.world.identities);
        let keys = identity::keys(changes.updated.iter().map(|identity| &identity.key));
        update(conn, "identities", "hash", identity::rows(keys, &changes.updated)?).await?;
        if changes.inserted.is_empty() {
            return Ok(());
        }
        // Of nobody who was looked for: a row may be there.
        let names = identity::names(changes.inserted.iter().map(|identity| &identity.key));
        let new = identity::rows(names, &changes.inserted)?;
        let stmt = insert_from(conn, "identities", new).sql(
            " on conflict (hash) do update set owner = excluded.owner, \
             suppressions = excluded.suppressions, erased_at = excluded.erased_at",
        );
        conn.run_exactly(stmt, changes.inserted.len(), "identities").await
    }

    async fn touches(&self, conn: &mut Conn) -> Result<(), Fail> {
        let touches = changes(&self.world.touches);
        let remotes: Vec<&Touch> = touches
            .inserted
            .iter()
            .chain(&touches.updated)
            .copied()
            .filter(|touch| touch.remote_id.is_some() && self.reported(touch.id))
            .collect();
        insert(conn, "touches", touch::rows(&self.with_cadence(touches.inserted)?)?).await?;
        update(conn, "touches", "id", touch::changed(&touches.updated)?).await?;
        if remotes.is_empty() {
            return Ok(());
        }
        let set = RowSet::new(remotes.len())
            .text("workspace", remotes.iter().map(|touch| touch.workspace.as_str()))
            .opt_text("remote_id", remotes.iter().map(|touch| touch.remote_id.as_deref()))
            .int("touch", remotes.iter().map(|touch| touch.id.0));
        let stmt = insert_from(conn, "remotes", set).sql(" on conflict do nothing");
        conn.run(stmt).await.map(drop)
    }

    /// Whether the dispatcher reported on a touch: only then can its id at the CRM be new.
    fn reported(&self, touch: TouchId) -> bool {
        self.admitted.iter().any(|one| matches!(&one.input, Input::Touch(input) if input.touch == touch))
    }

    fn with_cadence<'t>(&'t self, touches: Vec<&'t Touch>) -> StoreResult<Vec<(&'t Touch, &'t str)>> {
        let cadence = |touch: &'t Touch| {
            let enrollment = self.world.enrollments.get(&touch.enrollment);
            let enrollment = enrollment.ok_or_else(|| {
                StoreError::Rejected("a touch was changed whose enrollment is not held".to_owned())
            })?;
            Ok((touch, enrollment.cadence.as_str()))
        };
        touches.into_iter().map(cadence).collect()
    }

    async fn timers(&self, conn: &mut Conn) -> Result<(), Fail> {
        let mut gone: Vec<EnrollmentId> = Vec::new();
        let mut set: Vec<(&EnrollmentId, &Timer)> = Vec::new();
        for (owner, mark, timer) in self.world.timers.changes() {
            match mark {
                Mark::Deleted => gone.push(*owner),
                _ => set.push((owner, timer)),
            }
        }
        if !gone.is_empty() {
            let stmt = conn.stmt("delete from timers where enrollment").any(gone.iter().map(|id| id.0));
            conn.run_exactly(stmt, gone.len(), "timers").await?;
        }
        if !set.is_empty() {
            let stmt = insert_from(conn, "timers", timer::rows(&set)).sql(
                " on conflict (enrollment) do update set kind = excluded.kind, touch = excluded.touch, \
                 lane = excluded.lane, shard = excluded.shard, due_at = excluded.due_at, held = excluded.held",
            );
            conn.run_exactly(stmt, set.len(), "timers").await?;
        }
        Ok(())
    }

    /// The results of attempts, which are then no longer in flight.
    async fn results(&self, tx: &mut Tx) -> Result<(), Fail> {
        let mut ended: BTreeMap<(TouchId, i32), &AttemptResult> = BTreeMap::new();
        for one in self.admitted {
            if let Input::Touch(input) = &one.input
                && let TouchReport::Attempt { attempt, result } = &input.report
            {
                ended.insert((input.touch, *attempt), result);
            }
        }
        if ended.is_empty() {
            return Ok(());
        }
        let wall = micros(tx.wall().await?);
        let mut texts = Vec::with_capacity(ended.len());
        for result in ended.values() {
            texts.push(to_json(result)?);
        }
        let keys = || {
            RowSet::new(ended.len())
                .int("touch", ended.keys().map(|(touch, _)| touch.0))
                .int("no", ended.keys().map(|(_, attempt)| i64::from(*attempt)))
        };
        let results = keys().int("at", ended.keys().map(|_| wall)).text("result", texts.into_iter());
        // A later word on the same attempt is the better one: an answer that came after all.
        let stmt = insert_from(&tx.conn, "results", results)
            .sql(" on conflict (touch, no) do update set at = excluded.at, result = excluded.result");
        tx.conn.run(stmt).await?;
        // By key, one look each: the touches are held, so that nobody else writes these rows.
        let stmt = tx
            .conn
            .stmt("delete from in_flight ")
            .either("using ", "where (touch, no) in (select v.touch, v.no from ");
        let stmt = stmt.rows(keys()).either(" where in_flight.touch = v.touch and in_flight.no = v.no", ")");
        tx.conn.run(stmt).await.map(drop)
    }

    /// Gives back what touches had reserved and the fold took off their rows: after a void, or a definite rejection.
    async fn budgets(&self, tx: &mut Tx) -> Result<(), Fail> {
        let mut freed: Vec<Held> = Vec::new();
        for (touch, budgets) in self.reserved {
            let Some(now) = self.world.touches.get(touch) else { continue };
            for budget in budgets.iter().filter(|budget| !now.reserved.contains(budget)) {
                freed.push(Held { workspace: now.workspace.clone(), budget: budget.clone(), touch: *touch });
            }
        }
        budgets::give_back(&mut tx.conn, &freed).await
    }

    async fn commands(&self, tx: &mut Tx) -> Result<(), Fail> {
        let commands = &self.world.commands;
        if commands.is_empty() {
            return Ok(());
        }
        let now = micros(tx.wall().await?);
        let mut actions = Vec::with_capacity(commands.len());
        for command in commands {
            actions.push(to_json(&command.action)?);
        }
        let set = RowSet::new(commands.len())
            .text("workspace", commands.iter().map(|one| one.workspace.as_str()))
            .text("connector", commands.iter().map(|one| one.lane.connector.as_str()))
            .int("touch", commands.iter().map(|one| one.touch.0))
            .text("channel", commands.iter().map(|one| one.channel.as_str()))
            .text("action", actions.into_iter())
            .int("tries", commands.iter().map(|_| 0))
            .int("due_at", commands.iter().map(|_| now))
            .int("created_at", commands.iter().map(|_| now));
        insert(&mut tx.conn, "commands", set).await
    }

    /// The new events of which something may be kept.
    fn kept<'k>(&'k self, forgotten: &BTreeSet<Place<'k>>) -> Vec<Kept<'k>> {
        let mut contacts: HashMap<Place<'_>, Option<ContactId>> = HashMap::new();
        for record in &self.world.decisions {
            if let Some(place) = erasing::cause(record) {
                // A second record is of a twin of the event.
                contacts.entry(place).or_insert(record.contact);
            }
        }
        let events = self.admitted.iter().filter_map(|one| match &one.input {
            Input::Event(event) => Some((one.standing, &*event.event)),
            Input::Timer(_) | Input::Touch(_) => None,
        });
        let new = events.zip(self.events).filter(|((standing, _), _)| *standing != Standing::Duplicate);
        let kept = new.filter_map(|((_, event), key)| {
            let place = dedupe::place(event);
            let contact = contacts.get(&place).copied().flatten();
            (!forgotten.contains(&place)).then_some(Kept { event, key: *key, contact })
        });
        kept.collect()
    }

    async fn events(&self, conn: &mut Conn, kept: &[Kept<'_>]) -> Result<(), Fail> {
        let set = RowSet::new(kept.len())
            .opt_int("contact", kept.iter().map(|one| one.contact.map(|contact| contact.0)))
            .int("received_at", kept.iter().map(|one| micros(one.event.received_at)))
            .uuid("key", kept.iter().map(|one| one.key))
            .bytes("body", kept.iter().map(|one| one.event.to_bytes().to_vec()));
        insert(conn, "events", set).await?;
        self.strays(conn, kept).await?;
        self.erasures(conn).await
    }

    /// Under which names events can be found that no contact leads to.
    async fn strays(&self, conn: &mut Conn, kept: &[Kept<'_>]) -> Result<(), Fail> {
        let events = kept.iter().map(|one| (one.event, one.key, one.contact));
        let strays = erasing::strays(&self.world.decisions, events, self.keys);
        if strays.is_empty() {
            return Ok(());
        }
        let identities = strays.iter().map(|stray| Uuid::from_bytes(stray.identity.hash.0));
        let set = RowSet::new(strays.len())
            .uuid("identity", identities)
            .uuid("key", strays.iter().map(|stray| stray.key))
            .opt_int("contact", strays.iter().map(|stray| stray.contact.map(|contact| contact.0)))
            .int("at", strays.iter().map(|stray| micros(stray.event.received_at)));
        let stmt = insert_from(conn, "strays", set).sql(" order by 1, 2 on conflict do nothing");
        conn.run(stmt).await.map(drop)
    }

    /// Who is to be forgotten elsewhere too.
    async fn erasures(&self, conn: &mut Conn) -> Result<(), Fail> {
        let mut names = Vec::with_capacity(self.erased.len());
        for one in self.erased {
            names.push(to_json(&one.names)?);
        }
        let set = RowSet::new(self.erased.len())
            .text("workspace", self.erased.iter().map(|one| one.workspace.as_str()))
            .opt_int("contact", self.erased.iter().map(|one| one.contact.map(|contact| contact.0)))
            .text("names", names.into_iter())
            .int("at", self.erased.iter().map(|_| micros(self.world.now)));
        insert(conn, "erasures", set).await
    }

    /// What was decided, but for events of somebody that changed nothing: their own row says as much.
    async fn decisions(&self, conn: &mut Conn, forgotten: &BTreeSet<Place<'_>>) -> Result<(), Fail> {
        let says = |record: &&DecisionRecord| {
            !record.items.is_empty() || record.contact.is_none() || erasing::cause(record).is_none()
        };
        let records: Vec<&DecisionRecord> = self.world.decisions.iter().filter(says).collect();
        let body = |record: &DecisionRecord| {
            let is_forgotten = erasing::cause(record).is_some_and(|place| forgotten.contains(&place));
            let body = if is_forgotten { erasing::nameless(record).to_bytes() } else { record.to_bytes() };
            body.to_vec()
        };
        let set = RowSet::new(records.len())
            .text("workspace", records.iter().map(|one| one.workspace.as_str()))
            .opt_int("contact", records.iter().map(|one| one.contact.map(|contact| contact.0)))
            .opt_uuid("key", records.iter().map(|one| erasing::cause(one).map(dedupe::key)))
            .int("at", records.iter().map(|one| micros(one.at)))
            .bytes("body", records.iter().map(|one| body(one)));
        insert(conn, "decisions", set).await
    }

    async fn outbox(&self, conn: &mut Conn) -> Result<(), Fail> {
        let mut parcels = Parcels::default();
        self.world.outbox.iter().for_each(|outcome| parcels.tell(outcome));
        self.letters.iter().for_each(|letter| parcels.send(letter));
        parcels.write(conn).await
    }
}
