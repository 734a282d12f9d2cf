//! A small world for tests of the loops: a log of one partition, a store that keeps what it is given, and a clock that is
//! the runtime's, so that a test whose time is paused waits for nothing.

mod bus;
mod store;

pub(crate) use bus::log;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use async_trait::async_trait;
use domain::catalog::Defaults;
use domain::event::{Detail, Event, EventKind};
use domain::id::{Digest, EventId, Shard, SourceName, Workspace};
use domain::identity::{AccountKeys, SubjectKeys};
use domain::input::TimerInput;
use domain::time::Window;
use engine::Catalogs;
use jiff::Timestamp;
use ports::StoreError;
use ports::bus::{BusError, Message, Record};
use ports::clock::Clock;
use ports::relay::{OutboxRow, SetAside};
use ports::wake::{Generation, Wake, Wakes};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Deps, Observer};

/// Everything behind the ports.
pub(crate) struct World {
    me: Weak<Self>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    begun: Instant,
}

/// What a test prepares and looks at.
#[derive(Default)]
pub(crate) struct State {
    /// The log.
    pub(crate) log: Vec<Record>,
    /// Where the consumer reads on, and where it was told to.
    pub(crate) at: BTreeMap<i32, i64>,
    /// A partition that goes to another member as soon as something of it was read.
    pub(crate) revoked: Option<i32>,
    pub(crate) seeks: Vec<i64>,
    pub(crate) noted: Vec<i64>,
    pub(crate) joined: usize,
    pub(crate) closed: usize,
    /// So many members hear that the topic is missing.
    pub(crate) missing: usize,
    /// The next offset of the first partition as stored.
    pub(crate) stored: Option<i64>,
    /// Of the others.
    pub(crate) elsewhere: BTreeMap<i32, Option<i64>>,
    /// What the next transactions answer, before anything else is looked at.
    pub(crate) failures: VecDeque<Failure>,
    /// Events whose fold fails.
    pub(crate) poison: BTreeSet<String>,
    pub(crate) applied: Vec<String>,
    pub(crate) letters: Vec<Message>,
    /// How many transactions were begun.
    pub(crate) runs: usize,
    /// Transactions that are to wait until this is cleared.
    pub(crate) held: bool,
    /// What the loop said of itself.
    pub(crate) troubles: Vec<Option<String>>,
    pub(crate) dead: usize,
    /// Due timers by look; empty: none.
    pub(crate) due: VecDeque<Vec<TimerInput>>,
    /// Timers that cannot be fired, due at every look.
    pub(crate) stuck: Vec<TimerInput>,
    pub(crate) looks: usize,
    /// The outbox.
    pub(crate) outbox: BTreeMap<u8, Vec<OutboxRow>>,
    pub(crate) leases: HashMap<u8, (Uuid, Instant)>,
    /// Shards whose messages were asked for, in order.
    pub(crate) heads: Vec<u8>,
    /// What was published, the refused included, in order.
    pub(crate) published: Vec<Vec<u8>>,
    /// Messages that the bus refuses, once each.
    pub(crate) refused: Vec<Vec<u8>>,
    /// Shards that cannot be read.
    pub(crate) unreadable: BTreeSet<u8>,
    pub(crate) projected: Vec<SetAside>,
    /// What housekeeping answers, and when it was asked.
    pub(crate) expired: VecDeque<Result<usize, StoreError>>,
    pub(crate) asked: Vec<Instant>,
}

impl State {
    pub(crate) fn stored_of(&mut self, partition: i32) -> &mut Option<i64> {
        match partition {
            0 => &mut self.stored,
            other => self.elsewhere.entry(other).or_default(),
        }
    }
}

/// How a transaction fails.
pub(crate) enum Failure {
    /// So.
    Error(StoreError),
    /// Another process was faster: the offset is there now.
    Overtaken(i64),
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let (changed, _) = watch::channel(0);
        Arc::new_cyclic(|me| Self { me: me.clone(), state: Mutex::default(), changed, begun: Instant::now() })
    }

    /// Looks at or prepares the world, and tells whoever waits.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let out = change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
        out
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until something holds; fails after an hour of the paused clock, which is over at once.
    pub(crate) async fn until(&self, holds: impl Fn(&State) -> bool) {
        let mut changed = self.changed.subscribe();
        let wait = async {
            while !holds(&self.lock()) {
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_hours(1), wait).await.expect("it comes to hold");
    }

    /// Time since the world began.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The world as the ports of a process.
    pub(crate) fn deps(self: &Arc<Self>, process: u128) -> Arc<Deps> {
        let defaults = Defaults {
            zone: jiff::tz::TimeZone::UTC,
            window: Window::Any,
            per_contact: Vec::new(),
            per_owner: Vec::new(),
            delivers: HashMap::new(),
        };
        Arc::new(Deps {
            units: Arc::<Self>::clone(self),
            offsets: Arc::<Self>::clone(self),
            flags: Arc::<Self>::clone(self),
            outbox: Arc::<Self>::clone(self),
            asides: Arc::<Self>::clone(self),
            housekeeping: Arc::<Self>::clone(self),
            wakes: Arc::<Self>::clone(self),
            catalogs: Arc::new(Catalogs::new(Arc::<Self>::clone(self), defaults)),
            consumers: Arc::<Self>::clone(self),
            publisher: Arc::<Self>::clone(self),
            clock: Arc::<Self>::clone(self),
            process: Uuid::from_u128(process),
            observer: Arc::<Self>::clone(self),
        })
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add(self.age()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.age()
    }
}

#[async_trait]
impl Wakes for World {
    fn generation(&self, _: Wake) -> Generation {
        Generation(0)
    }

    async fn changed(&self, _: Wake, _: Generation, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }
}

impl Observer for World {
    fn batch(&self, _: usize, _: usize, _: Duration) {}

    fn dead(&self, count: usize) {
        self.with(|state| state.dead += count);
    }

    fn stopped(&self, _: &[String]) {}

    fn troubled(&self, why: Option<&str>) {
        self.with(|state| state.troubles.push(why.map(str::to_owned)));
    }
}

/// An event that is named `id`.
pub(crate) fn event(id: &str) -> Event {
    Event {
        id: EventId::new(id).unwrap(),
        digest: Digest::of(&[id.as_bytes()]),
        workspace: Workspace::main(),
        source: SourceName::new("forms").unwrap(),
        kind: EventKind::FormSubmitted,
        occurred_at: Timestamp::UNIX_EPOCH,
        received_at: Timestamp::UNIX_EPOCH,
        subject: SubjectKeys {
            email: Some(domain::identity::Email::parse("ada@example.com").unwrap()),
            ..SubjectKeys::default()
        },
        account: AccountKeys::default(),
        detail: Detail::default(),
        actor: None,
    }
}

/// A message that waits in a shard of the outbox.
pub(crate) fn waiting(shard: Shard, id: i64) -> OutboxRow {
    let payload = bytes::Bytes::from(format!("{}/{id}", shard.0));
    let topic = ports::bus::Topic::Outcomes;
    OutboxRow { id, message: Message { topic, key: Vec::new(), headers: BTreeMap::new(), payload } }
}

pub(crate) fn away() -> StoreError {
    StoreError::Unavailable("restarting".to_owned())
}

pub(crate) fn refusal() -> BusError {
    BusError::Unavailable("no leader".to_owned())
}
