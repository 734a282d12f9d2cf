//! The stated mix of events, over people of whom most are in a cadence.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::event::{Classification, Detail, Event, EventKind};
use domain::id::{Digest, EventId, SourceName, Workspace};
use domain::identity::{AccountKeys, Email, SubjectKeys};
use domain::input::{EventInput, Origin};
use domain::time::BusinessClock;
use jiff::Timestamp;

use crate::exit::Failure;

/// Cadences that are live at once.
pub(super) const CADENCES: usize = 20;
/// Of how many past events a duplicate is drawn.
const REMEMBERED: usize = 2000;

/// A cadence as its author would write it: six steps, a branch, a jump, exits, a guard.
pub(super) fn cadence(number: usize) -> String {
    format!(
        r#"apiVersion: drumbeat/v1
kind: Cadence
metadata: {{ name: bench-{number:02} }}
spec:
  reason: Filled form {number}
  goal: meeting_booked
  priority: 50
  connector: crm
  window: any
  entry:
    triggers:
      - {{ on: form_submitted, when: event.form == "form-{number:02}" }}
    audience: "!contact.customer"
    reentry: {{ after: 30d }}
  guards: {{ open_deal: on }}
  exit:
    - {{ on: deal_opened, scope: account, outcome: disqualify }}
    - {{ on: replied, when: event.classification == "not_now", outcome: recycle }}
  on:
    - {{ event: email_clicked, when: event.page == "/pricing" && contact.phone != "", goto: call }}
  steps:
    - {{ id: hello, channel: email, after: 1h, completion: automatic, purpose: Say hello }}
    - {{ id: opened, wait_for: {{ event: email_opened, of: hello, up_to: 2d, then: call, else: next }} }}
    - {{ id: follow, channel: email, after: 3d, purpose: Follow up }}
    - {{ id: call, channel: call, after: 1d, purpose: Talk }}
    - {{ id: last, channel: email, after: 4d, purpose: Close the file }}
  end: {{ wait: 7d, outcome: nurture }}
"#
    )
}

/// Makes events. The same seed makes the same ones.
pub(super) struct Mix {
    seed: u64,
    group: usize,
    entered: usize,
    made: usize,
    /// Who is in a cadence, by number.
    live: Vec<usize>,
    remembered: VecDeque<Arc<Event>>,
    source: SourceName,
}

impl Mix {
    /// Of a group of people of their own.
    pub(super) fn new(group: usize) -> Result<Self, Failure> {
        let source = SourceName::new("bench").map_err(|error| Failure::Refused(error.to_string()))?;
        let seed = 0x9e37_79b9_7f4a_7c15 ^ (group as u64 + 1);
        Ok(Self { seed, group, entered: 0, made: 0, live: Vec::new(), remembered: VecDeque::new(), source })
    }

    /// The next event by the mix: 60 % opens and clicks, 20 % updates, 10 % entries, 5 % exits, 5 % duplicates.
    pub(super) fn next(&mut self, at: Timestamp) -> Result<Arc<Event>, Failure> {
        let drawn = self.draw(100);
        if drawn >= 95 && !self.remembered.is_empty() {
            let which = self.draw(self.remembered.len());
            return Ok(Arc::clone(&self.remembered[which]));
        }
        if self.live.is_empty() || (80..90).contains(&drawn) {
            return self.entry(at);
        }
        let which = self.draw(self.live.len());
        match drawn {
            0..40 => self.event(EventKind::EmailOpened, self.live[which], at, Detail::default()),
            40..60 => {
                let mut detail = Detail::default();
                detail.data.set("page", if self.draw(4) == 0 { "/pricing" } else { "/blog" });
                self.event(EventKind::EmailClicked, self.live[which], at, detail)
            }
            60..80 => {
                let mut detail = Detail::default();
                detail.contact.set("title", format!("Head of {}", self.draw(50)));
                detail.contact.set("last_seen", self.made);
                self.event(EventKind::ContactUpdated, self.live[which], at, detail)
            }
            _ => {
                let detail = Detail { classification: Some(Classification::Positive), ..Detail::default() };
                let who = self.live.swap_remove(which);
                self.event(EventKind::Replied, who, at, detail)
            }
        }
    }

    /// Somebody new enters one of the cadences.
    pub(super) fn entry(&mut self, at: Timestamp) -> Result<Arc<Event>, Failure> {
        let who = self.entered;
        self.entered += 1;
        self.live.push(who);
        let mut detail = Detail::default();
        detail.data.set("form", format!("form-{:02}", who % CADENCES));
        detail.contact.set("first_name", "Ada");
        detail.contact.set("company", format!("Company {}", who % 500));
        self.event(EventKind::FormSubmitted, who, at, detail)
    }

    fn event(
        &mut self,
        kind: EventKind,
        who: usize,
        at: Timestamp,
        detail: Detail,
    ) -> Result<Arc<Event>, Failure> {
        self.made += 1;
        let id = format!("{}-{}", self.group, self.made);
        let event = Arc::new(person_event(
            &self.source,
            (kind, detail),
            (&format!("{}-{who}", self.group), &id),
            at,
        )?);
        if self.remembered.len() == REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(Arc::clone(&event));
        Ok(event)
    }

    /// A xorshift generator: which event comes next needs no more.
    fn draw(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        usize::try_from(self.seed % below as u64).unwrap_or_default()
    }
}

/// An event about a person of the bench.
pub(super) fn person_event(
    source: &SourceName,
    (kind, detail): (EventKind, Detail),
    (who, id): (&str, &str),
    at: Timestamp,
) -> Result<Event, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Refused(format!("an event of the bench: {error}"));
    let email = Email::parse(&format!("person-{who}@bench.example")).map_err(|error| wrong(&error))?;
    Ok(Event {
        id: EventId::new(id).map_err(|error| wrong(&error))?,
        digest: Digest::of(&[source.as_str().as_bytes(), id.as_bytes()]),
        workspace: Workspace::main(),
        source: source.clone(),
        kind,
        occurred_at: at,
        received_at: at,
        subject: SubjectKeys { email: Some(email), ..SubjectKeys::default() },
        account: AccountKeys::default(),
        detail,
        actor: None,
    })
}

/// An event as it reaches a unit.
pub(super) fn input(event: Arc<Event>, clock: &BusinessClock) -> EventInput {
    EventInput {
        occurred_at: clock.business(event.occurred_at),
        received_at: clock.business(event.received_at),
        event,
        origin: Origin::Live,
        trace: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn the_mix_is_the_stated_one() {
        let mut mix = Mix::new(0).unwrap();
        for _ in 0..1000 {
            mix.entry(Timestamp::UNIX_EPOCH).unwrap();
        }
        let (mut seen, mut kinds, mut duplicates) = (BTreeSet::new(), BTreeMap::<EventKind, usize>::new(), 0);
        for _ in 0..20_000 {
            let event = mix.next(Timestamp::UNIX_EPOCH).unwrap();
            if seen.insert(event.id.clone()) {
                *kinds.entry(event.kind).or_default() += 1;
            } else {
                duplicates += 1;
            }
        }

        let share = |count: usize| count * 100 / 20_000;
        let looks = kinds[&EventKind::EmailOpened] + kinds[&EventKind::EmailClicked];
        // A duplicate of an event from before the count is counted as one of its kind, hence the margins.
        assert!((58..=62).contains(&share(looks)), "{kinds:?}");
        assert!((18..=22).contains(&share(kinds[&EventKind::ContactUpdated])), "{kinds:?}");
        assert!((9..=12).contains(&share(kinds[&EventKind::FormSubmitted])), "{kinds:?}");
        assert!((4..=6).contains(&share(kinds[&EventKind::Replied])), "{kinds:?}");
        assert!((3..=6).contains(&share(duplicates)), "{duplicates}");
    }

    #[test]
    fn a_groups_people_are_nobody_elses() {
        let one = Mix::new(0).unwrap().entry(Timestamp::UNIX_EPOCH).unwrap();
        let other = Mix::new(1).unwrap().entry(Timestamp::UNIX_EPOCH).unwrap();

        assert_ne!(one.subject, other.subject);
        assert_ne!(one.digest, other.digest);
    }
}
