//! Batches over a store that refuses by script.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::attributes::Attributes;
use domain::catalog::{Catalog, Defaults};
use domain::decision::{Cause, Decision};
use domain::event::{Detail, Event, EventKind};
use domain::id::{Digest, EventId, SourceName, VersionId, Workspace};
use domain::identity::{AccountKeys, HashKey, HashKeys, SubjectKeys};
use domain::input::{Origin, TimerInput};
use domain::time::{BusinessClock, Speed, Window};
use domain::touch::TimerKind;
use domain::world::{Ids, World};
use jiff::Timestamp;
use ports::StoreResult;
use ports::content::{Activation, Applied, Content, Document, NewDocument};
use ports::unit::{Admitted, Fold, Standing};

use super::*;

/// A store that refuses every unit with a poisoned event, or with more than hold still at once, keeps the offsets, and
/// counts.
#[derive(Default)]
struct Units_ {
    poison: Vec<&'static str>,
    /// Events whose contact's row cannot be read.
    damaged: Vec<&'static str>,
    /// How many events at once are the most whose contacts do not grow under the unit.
    still: Option<usize>,
    offset: Mutex<Option<i64>>,
    /// Of partitions beside the first one.
    elsewhere: Mutex<BTreeMap<i32, i64>>,
    applied: Mutex<Vec<String>>,
    letters: Mutex<Vec<Message>>,
    runs: Mutex<usize>,
}

#[async_trait]
impl Units for Units_ {
    async fn run(&self, unit: Unit, _: Arc<dyn Fold>) -> StoreResult<UnitReport> {
        *self.runs.lock().unwrap() += 1;
        let ids: Vec<String> = unit
            .inputs
            .iter()
            .map(|input| match input {
                Input::Event(event) => event.event.id.as_str().to_owned(),
                _ => unreachable!("only events are given"),
            })
            .collect();
        if ids.iter().any(|id| self.poison.contains(&id.as_str())) {
            return Err(StoreError::Rejected("poison".to_owned()));
        }
        if ids.iter().any(|id| self.damaged.contains(&id.as_str())) {
            return Err(StoreError::Damaged("its suppression cannot be read".to_owned()));
        }
        if self.still.is_some_and(|most| ids.len() > most) {
            return Err(StoreError::Contended("what the inputs touch kept growing".to_owned()));
        }
        let (mut offset, mut elsewhere) = (self.offset.lock().unwrap(), self.elsewhere.lock().unwrap());
        let mut next = elsewhere.clone();
        next.extend(offset.map(|offset| (0, offset)));
        for advance in &unit.advances {
            let held = next.insert(advance.partition, advance.to.next);
            if held != advance.from {
                return Err(StoreError::Conflict(format!("the offset is {held:?}, not {:?}", advance.from)));
            }
        }
        *offset = next.remove(&0);
        *elsewhere = next;
        let fresh = ids.len();
        self.applied.lock().unwrap().extend(ids);
        self.letters.lock().unwrap().extend(unit.letters);
        Ok(UnitReport { fresh, ..UnitReport::default() })
    }

    async fn due_timers(&self, _: usize) -> StoreResult<Vec<TimerInput>> {
        Ok(Vec::new())
    }

    async fn next_timer(&self, _: &[TimerKind]) -> StoreResult<Option<Timestamp>> {
        Ok(None)
    }

    async fn now(&self) -> StoreResult<Timestamp> {
        Ok(Timestamp::UNIX_EPOCH)
    }

    fn business(&self) -> BusinessClock {
        BusinessClock::new(Timestamp::UNIX_EPOCH, Speed::REAL)
    }
}

struct NoContent;

#[async_trait]
impl Content for NoContent {
    async fn epoch(&self) -> StoreResult<i64> {
        Ok(1)
    }

    async fn in_force(&self) -> StoreResult<(i64, Vec<Document>)> {
        Ok((1, Vec::new()))
    }

    async fn apply(&self, _: Vec<NewDocument>, _: Activation, _: &str) -> StoreResult<Vec<Applied>> {
        Err(StoreError::Rejected(format!("nothing is applied here, not even {:?}", VersionId(0))))
    }

    async fn current(&self, _: &Workspace) -> StoreResult<Vec<Document>> {
        Ok(Vec::new())
    }
}

struct Numbered;

impl Letters for Numbered {
    fn letter(&self, index: usize, error: &str) -> Message {
        Message {
            topic: Topic::DeadLetter,
            key: index.to_string().into_bytes(),
            headers: [("error".to_owned(), error.to_owned())].into(),
            payload: bytes_of(index),
        }
    }
}

fn bytes_of(index: usize) -> bytes::Bytes {
    index.to_string().into()
}

fn event(id: &str) -> EventInput {
    let event = Event {
        id: EventId::new(id).unwrap(),
        digest: Digest::of(&[id.as_bytes()]),
        workspace: Workspace::main(),
        source: SourceName::new("forms").unwrap(),
        kind: EventKind::FormSubmitted,
        occurred_at: Timestamp::UNIX_EPOCH,
        received_at: Timestamp::UNIX_EPOCH,
        subject: SubjectKeys::default(),
        account: AccountKeys::default(),
        detail: Detail { data: Attributes::new().with("form", "demo"), ..Detail::default() },
        actor: None,
    };
    EventInput {
        occurred_at: event.occurred_at,
        received_at: event.received_at,
        event: Arc::new(event),
        origin: Origin::Live,
        trace: None,
    }
}

fn batch(ids: &[&str], from: Option<i64>) -> Batch {
    let begin = from.unwrap_or(0);
    let items = ids
        .iter()
        .zip(begin + 1..)
        .map(|(id, next)| Item {
            partition: 0,
            event: if *id == "garbled" { Err("no event".to_owned()) } else { Ok(event(id)) },
            next: StoredOffset { next, last_id: Some((*id).to_owned()) },
        })
        .collect();
    let from = from.map(|from| (0, from)).into_iter().collect();
    Batch { cluster: "c".to_owned(), topic: Topic::Events, from, items }
}

/// A batch of several partitions, in which their events come one partition after the other.
fn batch_of(parts: &[(i32, Option<i64>, &[&str])]) -> Batch {
    let mut whole = batch(&[], None);
    for (partition, from, ids) in parts {
        let part = batch(ids, *from);
        whole.from.extend(part.from.get(&0).map(|from| (*partition, *from)));
        whole.items.extend(part.items.into_iter().map(|item| Item { partition: *partition, ..item }));
    }
    whole
}

fn defaults() -> Defaults {
    Defaults {
        zone: jiff::tz::TimeZone::UTC,
        window: Window::Any,
        per_contact: Vec::new(),
        per_owner: Vec::new(),
        delivers: std::collections::HashMap::new(),
    }
}

fn processor(store: &Arc<Units_>) -> Processor {
    Processor::new(Arc::<Units_>::clone(store), Arc::new(Catalogs::new(Arc::new(NoContent), defaults())))
}

#[test]
fn a_repeated_event_is_recorded_as_such_and_changes_nothing() {
    let catalog = Arc::new(Catalog::empty(defaults()));
    let keys = Arc::new(HashKeys::new(HashKey::new([1; 32]), Vec::new()));
    let mut world = World::new(Timestamp::UNIX_EPOCH, Arc::clone(&catalog), keys, Ids::new(1, 10));
    let admitted = Admitted { input: Input::Event(event("a")), standing: Standing::Duplicate };

    DomainFold::new(catalog, Keep::Nothing).fold(&mut world, &[admitted]).unwrap();

    assert!(
        matches!(&world.decisions[0].items[..], [Decision::Ignored { why }] if why.code == "duplicate"),
        "{:?}",
        world.decisions
    );
    assert!(world.contacts.is_empty() && world.outbox.is_empty());
    let Cause::Event { id, digest, .. } = &world.decisions[0].cause else { panic!("{:?}", world.decisions) };
    assert_eq!(id.as_str(), digest.to_hex(), "an id may be an address, and no erasure finds this record");
}

#[tokio::test]
async fn a_sound_batch_is_one_unit() {
    let store = Arc::new(Units_::default());

    let done = processor(&store).process(&batch(&["a", "b", "c"], None), &Numbered).await.unwrap();

    assert_eq!((done.report.fresh, done.dead), (3, 0));
    assert_eq!(*store.runs.lock().unwrap(), 1);
    assert_eq!(*store.offset.lock().unwrap(), Some(3));
}

#[tokio::test]
async fn only_the_event_at_fault_goes_to_the_dead_letters_and_the_order_is_kept() {
    let store = Arc::new(Units_ { poison: vec!["x", "y"], ..Units_::default() });
    *store.offset.lock().unwrap() = Some(10);

    let done = processor(&store)
        .process(&batch(&["a", "x", "b", "c", "d", "y", "e"], Some(10)), &Numbered)
        .await
        .unwrap();

    assert_eq!((done.report.fresh, done.dead), (5, 2));
    assert_eq!(*store.applied.lock().unwrap(), ["a", "b", "c", "d", "e"]);
    assert_eq!(*store.offset.lock().unwrap(), Some(17));
    let letters = store.letters.lock().unwrap();
    assert_eq!(
        letters.iter().map(|letter| letter.key.clone()).collect::<Vec<_>>(),
        [b"1".to_vec(), b"5".to_vec()]
    );
    assert_eq!(letters[0].headers["error"], "poison");
}

#[tokio::test]
async fn a_record_that_is_no_event_is_set_aside_in_the_same_unit() {
    let store = Arc::new(Units_::default());

    let done = processor(&store).process(&batch(&["a", "garbled", "b"], None), &Numbered).await.unwrap();

    assert_eq!((done.report.fresh, done.dead), (2, 1));
    assert_eq!(*store.runs.lock().unwrap(), 1);
    assert_eq!(store.letters.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_zombie_whose_offset_moved_applies_nothing() {
    let store = Arc::new(Units_::default());
    *store.offset.lock().unwrap() = Some(5);

    let done = processor(&store).process(&batch(&["a", "b"], Some(3)), &Numbered).await;

    assert!(matches!(done, Err(ProcessError::Store(StoreError::Conflict(_)))), "{done:?}");
    assert!(store.applied.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_whose_closure_keeps_growing_is_halved_until_it_goes_through() {
    for (still, runs) in [(1, 15), (3, 7), (4, 3)] {
        let store = Arc::new(Units_ { still: Some(still), ..Units_::default() });

        let done = processor(&store)
            .process(&batch(&["a", "b", "c", "d", "e", "f", "g", "h"], None), &Numbered)
            .await
            .unwrap();

        assert_eq!((done.report.fresh, done.dead), (8, 0), "none of it is anybody's fault");
        assert_eq!(*store.applied.lock().unwrap(), ["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(*store.offset.lock().unwrap(), Some(8));
        assert_eq!(*store.runs.lock().unwrap(), runs, "at most {still} at once");
    }
}

#[tokio::test]
async fn one_event_that_does_not_hold_still_is_tried_later_and_never_set_aside() {
    let store = Arc::new(Units_ { still: Some(0), ..Units_::default() });

    let done = processor(&store).process(&batch(&["a", "b"], None), &Numbered).await;

    assert!(matches!(done, Err(ProcessError::Store(StoreError::Contended(_)))), "{done:?}");
    assert!(store.letters.lock().unwrap().is_empty());
    assert_eq!(*store.offset.lock().unwrap(), None);
}

#[tokio::test]
async fn an_event_that_meets_a_damaged_row_lets_its_neighbours_pass() {
    let store = Arc::new(Units_ { damaged: vec!["b"], ..Units_::default() });

    let done = processor(&store).process(&batch(&["a", "b", "c"], None), &Numbered).await.unwrap();

    assert_eq!((done.report.fresh, done.dead), (2, 1));
    assert_eq!(*store.applied.lock().unwrap(), ["a", "c"]);
    assert_eq!(*store.offset.lock().unwrap(), Some(3));
    assert_eq!(store.letters.lock().unwrap()[0].headers["error"], "its suppression cannot be read");
}

#[tokio::test]
async fn a_zombie_is_not_halved() {
    let store = Arc::new(Units_::default());
    *store.offset.lock().unwrap() = Some(9);

    let done = processor(&store).process(&batch(&["a", "b", "c", "d"], None), &Numbered).await;

    assert!(matches!(done, Err(ProcessError::Store(StoreError::Conflict(_)))), "{done:?}");
    assert_eq!(*store.runs.lock().unwrap(), 1, "whoever moved the offset has all of it");
}

#[tokio::test]
async fn some_events_of_many_partitions_are_one_unit() {
    let store = Arc::new(Units_::default());
    *store.elsewhere.lock().unwrap() = BTreeMap::from([(2, 7)]);

    let parts: [(i32, Option<i64>, &[&str]); 3] =
        [(0, None, &["a", "b"]), (2, Some(7), &["x"]), (5, None, &["p", "q", "r"])];
    let done = processor(&store).process(&batch_of(&parts), &Numbered).await.unwrap();

    assert_eq!((done.report.fresh, *store.runs.lock().unwrap()), (6, 1));
    assert_eq!(*store.offset.lock().unwrap(), Some(2));
    assert_eq!(*store.elsewhere.lock().unwrap(), BTreeMap::from([(2, 8), (5, 3)]));
}

#[tokio::test]
async fn each_partition_of_a_halved_batch_moves_as_far_as_it_came() {
    // Wherever the poison is, a half ends within a partition, at its end, or holds several.
    for poison in ["a", "c", "x", "y", "p"] {
        let store = Arc::new(Units_ { poison: vec![poison], ..Units_::default() });
        *store.offset.lock().unwrap() = Some(10);

        let parts: [(i32, Option<i64>, &[&str]); 3] =
            [(0, Some(10), &["a", "b", "c"]), (1, None, &["x", "y"]), (2, None, &["p", "garbled"])];
        let done = processor(&store).process(&batch_of(&parts), &Numbered).await.unwrap();

        assert_eq!((done.report.fresh, done.dead), (5, 2), "{poison}");
        assert_eq!(*store.offset.lock().unwrap(), Some(13), "{poison}");
        assert_eq!(*store.elsewhere.lock().unwrap(), BTreeMap::from([(1, 2), (2, 2)]), "{poison}");
        let others = ["a", "b", "c", "x", "y", "p"].into_iter().filter(|id| *id != poison);
        assert_eq!(*store.applied.lock().unwrap(), others.collect::<Vec<_>>(), "in their order");
        let letters = store.letters.lock().unwrap();
        assert!(letters.iter().any(|letter| letter.headers["error"] == "poison"), "{letters:?}");
        assert!(letters.iter().any(|letter| letter.key == b"6"), "{letters:?}");
    }
}

#[tokio::test]
async fn a_conflict_at_one_partition_applies_nothing_of_its_unit() {
    let store = Arc::new(Units_::default());
    *store.elsewhere.lock().unwrap() = BTreeMap::from([(1, 9)]);

    let parts: [(i32, Option<i64>, &[&str]); 2] = [(0, None, &["a", "b"]), (1, Some(4), &["x"])];
    let done = processor(&store).process(&batch_of(&parts), &Numbered).await;

    assert!(matches!(done, Err(ProcessError::Store(StoreError::Conflict(_)))), "{done:?}");
    assert!(store.applied.lock().unwrap().is_empty());
    assert_eq!((*store.runs.lock().unwrap(), *store.offset.lock().unwrap()), (1, None));
}
