//! People with a touch each, many at once: rows like those that an entry leaves, without the event and its record.
//!
//! Written by the store's own unit, so they are what the store writes; nothing is read and nothing decided, so it goes as
//! fast as rows are inserted.

use std::sync::Arc;
use std::time::Duration;

use domain::catalog::Catalog;
use domain::contact::Contact;
use domain::enrollment::{Enrollment, Place};
use domain::id::{ContactId, Digest, EnrollmentId, EnrollmentUid, TouchId, TouchKey, Workspace};
use domain::identity::{Email, Identity, IdentityKind, IdentityOwner};
use domain::input::EventInput;
use domain::suppression::Suppressions;
use domain::touch::{Timer, TimerKind, Touch, TouchState};
use domain::world::World;
use engine::Catalogs;
use jiff::{SignedDuration, Timestamp};
use ports::clock::Clock;
use ports::queries::{Queries as _, TaskFilter};
use ports::unit::{Admitted, Fold, FoldError, Reach, Unit, Units as _};
use runtime::lifecycle::Tasks;
use store::Store;
use uuid::Uuid;

use super::report::tell;
use super::sample::rate;
use crate::exit::{Failure, Outcome};

/// People of a transaction.
const BATCH: usize = 2000;
/// Transactions at a time: while one is encoded, another is written.
const AT_ONCE: usize = 2;
/// How often progress is told.
const TELL: Duration = Duration::from_secs(10);
/// Row ids of what is filled in, far above those that the store hands out.
const FIRST_ID: i64 = 1 << 40;
/// Touches in the future are spread over so much time.
const SPREAD: SignedDuration = SignedDuration::from_hours(24 * 30);

/// Fills a store with copies of somebody who entered.
pub(super) struct Filler {
    store: Arc<Store>,
    catalogs: Arc<Catalogs>,
    clock: Arc<dyn Clock>,
    made: usize,
}

/// What is copied.
#[derive(Clone)]
pub(super) struct Pattern {
    pub(super) contact: Contact,
    pub(super) enrollment: Enrollment,
    pub(super) touch: Touch,
}

/// When the touches that are filled in come due.
#[derive(Debug, Clone, Copy)]
pub(super) enum Due {
    /// All at that moment.
    At(Timestamp),
    /// Over a month, from a day after that moment, in no order.
    After(Timestamp),
}

/// Which rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// A contact and their identity.
    People,
    /// An enrollment, its touch and its timer, of contacts that were written before.
    Enrollments,
    /// All of them.
    Both,
}

impl Pattern {
    /// Whoever entered a cadence and waits for the first touch.
    pub(super) async fn of(store: &Store, cadence: &str) -> Result<Self, Failure> {
        let filter = TaskFilter { state: Some(TouchState::Scheduled), ..TaskFilter::default() };
        let tasks = store.tasks(&Workspace::main(), &filter).await?;
        let found = tasks.into_iter().find(|task| task.enrollment.cadence.as_str() == cadence);
        let found = found.ok_or_else(|| Failure::Refused(format!("nobody entered {cadence}")))?;
        Ok(Self { contact: found.contact, enrollment: found.enrollment, touch: found.touch })
    }
}

impl Filler {
    pub(super) fn new(store: &Arc<Store>, catalogs: &Arc<Catalogs>, clock: &Arc<dyn Clock>) -> Self {
        Self { store: Arc::clone(store), catalogs: Arc::clone(catalogs), clock: Arc::clone(clock), made: 0 }
    }

    /// Goes on in the same store, opened again.
    pub(super) fn goes_on_with(&mut self, store: &Arc<Store>, catalogs: &Arc<Catalogs>) {
        self.store = Arc::clone(store);
        self.catalogs = Arc::clone(catalogs);
    }

    /// So many more. Gives how long it took.
    pub(super) async fn add(
        &mut self,
        pattern: &Pattern,
        count: usize,
        (due, rows): (Due, Rows),
    ) -> Result<Duration, Failure> {
        let catalog = self.catalogs.current().await?;
        let began = self.clock.monotonic();
        let mut told = began;
        let first = self.made;
        // The enrollments of people that were written before bear their numbers.
        self.made += if rows == Rows::Enrollments { 0 } else { count };
        let first = if rows == Rows::Enrollments { first - count } else { first };
        let pattern = Arc::new(pattern.clone());
        let mut index = 0;
        while index < count {
            let mut running = Vec::new();
            for _ in 0..AT_ONCE {
                let slice = BATCH.min(count - index);
                if slice == 0 {
                    break;
                }
                let copies = Copies {
                    pattern: Arc::clone(&pattern),
                    catalog: Arc::clone(&catalog),
                    numbers: first + index..first + index + slice,
                    spread: (first, count),
                    due,
                    rows,
                };
                running.push(Tasks::detached().spawn("bench.fill", write(Arc::clone(&self.store), copies)));
                index += slice;
            }
            for one in running {
                one.await.map_err(|error| Failure::Refused(error.to_string()))??;
            }
            let now = self.clock.monotonic();
            if now.saturating_sub(told) >= TELL {
                told = now;
                let speed = rate(index, now.saturating_sub(began));
                tell(&format!("{index} of {count} are there, {speed:.0} a second"));
            }
        }
        Ok(self.clock.monotonic().saturating_sub(began))
    }
}

async fn write(store: Arc<Store>, copies: Copies) -> Outcome {
    let unit = Unit::default();
    store.run(unit, Arc::new(copies)).await?;
    Ok(())
}

/// A fold that writes copies of a pattern.
struct Copies {
    pattern: Arc<Pattern>,
    catalog: Arc<Catalog>,
    numbers: std::ops::Range<usize>,
    /// The first number of all that are filled in together, and how many they are.
    spread: (usize, usize),
    due: Due,
    rows: Rows,
}

impl Fold for Copies {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    fn reach(&self, _: &EventInput) -> Reach {
        Reach::Contact
    }

    fn fold(&self, world: &mut World, _: &[Admitted]) -> Result<(), FoldError> {
        for number in self.numbers.clone() {
            let name = format!("copy-{number}@bench.example");
            let first = FIRST_ID + i64::try_from(number).unwrap_or(i64::MAX / 4) * 3;
            if self.rows != Rows::Enrollments {
                let email = Email::parse(&name).map_err(|error| FoldError::Input(error.to_string()))?;
                self.person(world, ContactId(first), email);
            }
            if self.rows != Rows::People {
                self.enrollment(world, ContactId(first), (&name, self.due(number)));
            }
        }
        Ok(())
    }
}

impl Copies {
    fn due(&self, number: usize) -> Timestamp {
        let (first, count) = self.spread;
        match self.due {
            Due::At(at) => at,
            Due::After(at) => {
                // Far from each other, as entries of different days lie: the index is not only filled at its end.
                let place = (number - first).wrapping_mul(7_368_787) % count.max(1);
                #[expect(clippy::cast_precision_loss, reason = "a place within a month")]
                let share = place as f64 / count.max(1) as f64;
                let later = SignedDuration::from_hours(24) + SPREAD.mul_f64(share);
                at.saturating_add(later).unwrap_or(Timestamp::MAX)
            }
        }
    }

    fn person(&self, world: &mut World, id: ContactId, email: Email) {
        let mut contact = self.pattern.contact.clone();
        let key = world.identity_key(&contact.workspace, IdentityKind::Email, email.as_str());
        (contact.id, contact.email) = (id, Some(email));
        world.contacts.put(id, contact);
        let owner = Some(IdentityOwner::Contact(id));
        let identity =
            Identity { key: key.clone(), owner, suppressions: Suppressions::default(), erased_at: None };
        world.identities.put(key, identity);
    }

    fn enrollment(&self, world: &mut World, contact: ContactId, (name, due_at): (&str, Timestamp)) {
        let (mut enrollment, mut touch) = (self.pattern.enrollment.clone(), self.pattern.touch.clone());
        let (id, touch_id) = (EnrollmentId(contact.0 + 1), TouchId(contact.0 + 2));
        let digest = Digest::of(&[b"entry", name.as_bytes()]);
        (enrollment.id, enrollment.contact) = (id, contact);
        enrollment.uid = EnrollmentUid(Uuid::from_bytes(digest.0));
        enrollment.entry.digest = digest;
        if let Place::Touch { touch, .. } = &mut enrollment.progress.place {
            *touch = touch_id;
        }
        (touch.id, touch.enrollment, touch.contact, touch.due_at) = (touch_id, id, contact, due_at);
        touch.key = TouchKey(Uuid::from_bytes(Digest::of(&[b"touch", name.as_bytes()]).0));
        let timer = Timer {
            owner: id.0,
            workspace: touch.workspace.clone(),
            kind: TimerKind::Touch,
            touch: Some(touch_id),
            lane: Some(touch.lane.clone()),
            shard: enrollment.shard(),
            due_at,
            held: None,
        };
        world.enrollments.put(id, enrollment);
        world.touches.put(touch_id, touch);
        world.timers.put(id, timer);
    }
}
