//! The oracle: it makes the events, posts each until it is accepted as a provider would, and keeps what was answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Dice;
use crate::webhook::{Sender, event_with};

/// What the load meets: three touches, each a little after the one before, so that exits come before, between and after.
pub(crate) const CONTENT: &str = r#"
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: thrice }
spec:
  connector: crm
  window: any
  entry:
    triggers: [ { on: form_submitted, when: event.form == "demo" } ]
    reentry: always
  steps:
    - { id: first, channel: task, completion: automatic }
    - { id: second, channel: task, after: 2s, completion: automatic }
    - { id: third, channel: task, after: 2s, completion: automatic }
"#;

/// The delay between two steps of [`CONTENT`].
pub(crate) const STEP: Duration = Duration::from_secs(2);

/// The steps of [`CONTENT`].
pub(crate) const STEPS: usize = 3;

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Entry,
    Reply,
    OptOut,
}

/// An event, as often as it is posted.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) email: String,
    body: Value,
}

/// An endless, shuffled stream of events that a seed decides: of ten contacts two reply and one opts out, every fifth event
/// comes once more, and each goes out up to [`WINDOW`] places from where it belongs.
struct Stream {
    dice: Dice,
    contacts: usize,
    began: Timestamp,
    waiting: Vec<Planned>,
}

/// Of so many events the next one is drawn.
const WINDOW: usize = 40;

impl Stream {
    fn new(seed: u64) -> Self {
        let hour_ago = Timestamp::now() - Duration::from_secs(3600);
        Self { dice: Dice::new(seed ^ 0x10ad), contacts: 0, began: hour_ago, waiting: Vec::new() }
    }

    fn next(&mut self) -> Planned {
        while self.waiting.len() < WINDOW {
            self.contacts += 1;
            let contact = self.contacts;
            // An exit never happened before the entry that it ends, however the two are shuffled.
            let entered = self.began + Duration::from_millis(contact as u64);
            self.add("e", Kind::Entry, contact, entered);
            if self.dice.percent(20) {
                self.add("r", Kind::Reply, contact, entered + Duration::from_secs(60));
            }
            if self.dice.percent(10) {
                self.add("u", Kind::OptOut, contact, entered + Duration::from_secs(60));
            }
        }
        let place = self.dice.below(self.waiting.len());
        let event = self.waiting.swap_remove(place);
        if self.dice.percent(20) {
            self.waiting.push(event.clone());
        }
        event
    }

    fn add(&mut self, prefix: &str, kind: Kind, contact: usize, at: Timestamp) {
        let id = format!("{prefix}-{contact}");
        let email = format!("c{contact}@d{}.example.com", contact % 50);
        let word = match kind {
            Kind::Entry => "form_submitted",
            Kind::Reply => "replied",
            Kind::OptOut => "unsubscribed",
        };
        let mut body = event_with(&id, word, &email, json!({ "form": "demo" }));
        body["at"] = json!(at.to_string());
        self.waiting.push(Planned { id, kind, email, body });
    }
}

/// One request and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) began: Timestamp,
    pub(crate) took: Duration,
    /// `None`: the connection failed.
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<String>,
}

/// An event that was answered 2xx.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) kind: Kind,
    pub(crate) email: String,
    pub(crate) times: usize,
}

/// What the oracle knows.
#[derive(Debug, Default, Clone)]
pub(crate) struct Book {
    pub(crate) accepted: BTreeMap<String, Accepted>,
    pub(crate) posts: Vec<Post>,
}

impl Book {
    /// When each 2xx came.
    pub(crate) fn accepted_at(&self) -> Vec<Timestamp> {
        let accepted = self.posts.iter().filter(|post| post.status == Some(202));
        accepted.map(|post| post.began + post.took).collect()
    }
}

/// A load under way.
pub(crate) struct Load {
    shared: Arc<Shared>,
    lanes: Vec<JoinHandle<()>>,
}

struct Shared {
    stream: Mutex<Stream>,
    book: Mutex<Book>,
    stop: AtomicBool,
    senders: Vec<Sender>,
}

impl Shared {
    fn note(&self, event: &Planned, post: Post) {
        let mut book = self.book.lock().unwrap();
        if post.status == Some(202) {
            let (kind, email) = (event.kind, event.email.clone());
            let entry = book.accepted.entry(event.id.clone()).or_insert(Accepted { kind, email, times: 0 });
            entry.times += 1;
        }
        book.posts.push(post);
    }
}

const LANES: u32 = 8;
/// A provider that was refused comes again after so long.
const AGAIN: Duration = Duration::from_millis(100);

impl Load {
    /// Begins to post, at so many events a second whatever becomes of them: what was missed is made up for.
    pub(crate) fn start(senders: Vec<Sender>, seed: u64, per_second: u32) -> Self {
        let shared = Arc::new(Shared {
            stream: Mutex::new(Stream::new(seed)),
            book: Mutex::default(),
            stop: AtomicBool::new(false),
            senders,
        });
        let beat = Duration::from_secs(1) * LANES / per_second;
        let lanes = (0..LANES).map(|lane| {
            let first = Instant::now() + beat * lane / LANES;
            tokio::spawn(post_all(Arc::clone(&shared), lane as usize, (first, beat)))
        });
        Self { lanes: lanes.collect(), shared }
    }

    /// What is known by now.
    pub(crate) fn book(&self) -> Book {
        self.shared.book.lock().unwrap().clone()
    }

    /// How many posts began since then and have their answer.
    pub(crate) fn answered_since(&self, moment: Timestamp) -> usize {
        self.shared.book.lock().unwrap().posts.iter().filter(|post| post.began >= moment).count()
    }

    /// Makes no more events, waits until those under way are accepted, and gives what is known.
    pub(crate) async fn end(self) -> Book {
        self.shared.stop.store(true, Ordering::Relaxed);
        for lane in self.lanes {
            lane.await.unwrap();
        }
        self.shared.book.lock().unwrap().clone()
    }
}

async fn post_all(shared: Arc<Shared>, lane: usize, (mut due, beat): (Instant, Duration)) {
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due).await;
        due += beat;
        let event = shared.stream.lock().unwrap().next();
        let mut try_at = lane;
        loop {
            let (began, clock) = (Timestamp::now(), Instant::now());
            let answer = shared.senders[try_at % shared.senders.len()].try_post(&event.body).await;
            let (status, retry_after) = match answer {
                Ok(answer) => (Some(answer.status), answer.retry_after),
                Err(_) => (None, None),
            };
            shared.note(&event, Post { began, took: clock.elapsed(), status, retry_after });
            if status == Some(202) {
                break;
            }
            assert!(matches!(status, None | Some(429 | 503)), "{event:?} was answered {status:?}");
            // Another process may be up.
            try_at += 1;
            tokio::time::sleep(AGAIN).await;
        }
    }
}
