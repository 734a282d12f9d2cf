//! People who enter cadences as they would: an event each, through the unit.

use std::sync::Arc;

use domain::event::{Detail, Event, EventKind};
use domain::id::SourceName;
use engine::Catalogs;
use jiff::{SignedDuration, Timestamp};
use ports::clock::Clock;
use store::Store;

use super::mix::person_event;
use super::partition::{BATCH, Partition};
use crate::exit::{Failure, Outcome};

/// When the first step of [`CADENCES`] is due after entry. Entries are dated back or on, so that touches come due when
/// the bench wants them to.
pub(super) const DELAY: SignedDuration = SignedDuration::from_hours(1);

/// `soon` for touches that come due, `later` for those that wait.
pub(super) const CADENCES: [&str; 2] = [
    r#"apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: soon }
spec:
  goal: meeting_booked
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted, when: event.form == "soon" } ] }
  steps:
    - { id: first, channel: email, after: 1h, completion: automatic, purpose: Say hello, cta: Answer in a line }
    - { id: second, channel: email, after: 30d, completion: automatic, purpose: Ask again }
"#,
    r#"apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: later }
spec:
  goal: meeting_booked
  connector: crm
  window: any
  entry: { triggers: [ { on: form_submitted, when: event.form == "later" } ] }
  steps:
    - { id: first, channel: email, after: 60d, completion: automatic, purpose: Say hello, cta: Answer in a line }
"#,
];

/// Enters people, each only once.
pub(super) struct People {
    pub(super) partition: Partition,
    source: SourceName,
    pub(super) entered: usize,
}

impl People {
    pub(super) fn new(
        store: &Arc<Store>,
        catalogs: &Arc<Catalogs>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let source = SourceName::new("bench").map_err(|error| Failure::Refused(error.to_string()))?;
        Ok(Self { partition: Partition::new(store, catalogs, clock, 0), source, entered: 0 })
    }

    /// Goes on in a store where so many have entered before.
    pub(super) async fn go_on_from(&mut self, store: &Store, entered: usize) -> Outcome {
        self.entered = entered;
        self.partition.go_on(store).await
    }

    /// So many into a cadence, each at the time given.
    pub(super) async fn enter(
        &mut self,
        cadence: &str,
        count: usize,
        at: impl Fn(usize) -> Timestamp,
    ) -> Outcome {
        let mut index = 0;
        while index < count {
            let slice = BATCH.min(count - index);
            let events: Result<Vec<Arc<Event>>, Failure> =
                (index..index + slice).map(|index| self.entry(cadence, at(index)).map(Arc::new)).collect();
            self.partition.process(events?).await?;
            index += slice;
        }
        Ok(())
    }

    fn entry(&mut self, cadence: &str, at: Timestamp) -> Result<Event, Failure> {
        let who = self.entered.to_string();
        self.entered += 1;
        let mut detail = Detail::default();
        detail.data.set("form", cadence);
        detail.contact.set("first_name", "Ada");
        person_event(&self.source, (EventKind::FormSubmitted, detail), (&who, &who), at)
    }
}
