//! What the hammer plays with: content, people, events, and the choices made by chance.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::catalog::Defaults;
use domain::event::{Classification, Detail, Event, EventKind, TaskRef};
use domain::id::{CadenceName, ConnectorName, Digest, EventId, OwnerName, SourceName, Workspace};
use domain::identity::{AccountKeys, Domain, Email, SubjectKeys};
use domain::input::{EventInput, Input, Origin};
use engine::{Apply, Catalogs};
use jiff::Timestamp;
use manifest::Source;
use ports::clock::Clock;
use ports::content::{Activation, Content};
use ports::dispatch::Flag;

/// Chance, seeded (SplitMix64): each task of a run has its own, so that its choices can be made again.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, task: u64) -> Self {
        let mut dice = Self(seed ^ task.wrapping_mul(0xa076_1d64_78bd_642f));
        dice.roll();
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// The machine's clock.
pub(crate) struct WallClock(tokio::time::Instant);

impl WallClock {
    pub(crate) fn start() -> Arc<dyn Clock> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) const WORKSPACES: [&str; 2] = ["main", "brand-two"];
pub(crate) const OWNERS: [&str; 4] =
    ["ann@ours.example", "ben@ours.example", "cyd@ours.example", "dee@ours.example"];
/// Connector, cadence and priority: one lane each.
pub(crate) const CADENCES: [(&str, &str, u8); 2] = [("crm", "fast", 60), ("mailer", "slow", 40)];

/// The most uses of a contact's and of an owner's budget.
pub(crate) const PER_CONTACT: i64 = 7;
pub(crate) const PER_OWNER: i64 = 900;

fn text(workspace: &str, (connector, name, priority): (&str, &str, u8)) -> String {
    // The first begins on a form, the second on a page: a contact may be in both.
    let on = if name == "fast" { "form_submitted" } else { "page_visited" };
    format!(
        "apiVersion: drumbeat/v1
kind: Cadence
metadata: {{ name: {name}, workspace: {workspace} }}
spec:
  goal: meeting_booked
  priority: {priority}
  exclusive: {name}
  connector: {connector}
  window: any
  entry:
    triggers: [ {{ on: {on} }} ]
    reentry: always
    on_conflict: refuse
  exit:
    - {{ on: deal_opened, scope: account, outcome: disqualify }}
    - {{ on: signal_detected, scope: account, effect: pause, for: 1s }}
  steps:
    - {{ id: ring, channel: call, completion: automatic }}
    - {{ id: write, channel: linkedin_message, completion: automatic }}
    - {{ id: work, channel: task, when: contact.tier != \"c\" }}
    - {{ id: last, channel: call, completion: automatic }}
  end: {{ wait: 0d, outcome: nurture }}
  limits:
    per_contact: {{ max: {PER_CONTACT}, per: 7d }}
    per_owner: {{ max: {PER_OWNER}, per: 30d }}
"
    )
}

/// Applies the content, and gives what reads it.
pub(crate) async fn content(store: Arc<dyn Content>) -> Arc<Catalogs> {
    let sources: Vec<Source> = WORKSPACES
        .iter()
        .flat_map(|workspace| {
            CADENCES.map(|one| Source::new(format!("{workspace}-{}.yaml", one.1), text(workspace, one)))
        })
        .collect();
    let connectors = CADENCES.map(|(connector, _, _)| connector.to_owned());
    let how = Apply {
        workspace: &Workspace::main(),
        connectors: &connectors,
        activation: Activation::Activate,
        actor: "hammer",
    };
    engine::apply(&*store, &sources, how).await.expect("the hammer's content is sound");
    let defaults = Defaults {
        zone: jiff::tz::TimeZone::UTC,
        window: domain::time::Window::Any,
        per_contact: Vec::new(),
        per_owner: Vec::new(),
        delivers: HashMap::new(),
    };
    Arc::new(Catalogs::new(store, defaults))
}

pub(crate) fn owner(name: &str) -> OwnerName {
    OwnerName::new(name).expect("a name of the hammer")
}

/// Any of the five kinds of flags.
pub(crate) fn flag(dice: &mut Dice) -> Flag {
    let pick = |dice: &mut Dice, of: usize| usize::try_from(dice.below(of as u64)).expect("small");
    let workspace = Workspace::new(WORKSPACES[pick(dice, WORKSPACES.len())]).expect("a name");
    let (connector, cadence, _) = CADENCES[pick(dice, CADENCES.len())];
    match dice.below(6) {
        0 => Flag::All,
        1 => Flag::Workspace(workspace),
        2 => Flag::Connector(ConnectorName::new(connector).expect("a name")),
        3 => Flag::Cadence(workspace, CadenceName::new(cadence).expect("a name")),
        _ => Flag::Owner(workspace, owner(OWNERS[pick(dice, OWNERS.len())])),
    }
}

/// Makes events of a task.
pub(crate) struct Events {
    pub(crate) task: u64,
    pub(crate) next: u64,
    pub(crate) people: u64,
}

impl Events {
    /// One event, by chance: every second one enrolls, the others stop, pause, move or complete. `remote` is a task that went out.
    pub(crate) fn make(
        &mut self,
        dice: &mut Dice,
        now: Timestamp,
        remote: Option<(Workspace, String)>,
    ) -> Input {
        let who = dice.below(self.people);
        let email = format!("p{who}@firm{}.example", who % (self.people / 6).max(1));
        let workspace = WORKSPACES[usize::from(who.is_multiple_of(5))];
        let mut workspace = Workspace::new(workspace).expect("a name");
        let mut detail = Detail::default();
        let mut subject =
            SubjectKeys { email: Some(Email::parse(&email).expect("an address")), ..SubjectKeys::default() };
        let mut account = AccountKeys::default();
        let an_owner = owner(OWNERS[usize::try_from(dice.below(OWNERS.len() as u64)).expect("small")]);
        let kind = match dice.below(100) {
            0..35 => {
                detail.owner = Some(an_owner);
                EventKind::FormSubmitted
            }
            35..52 => EventKind::PageVisited,
            52..60 => {
                detail.classification = Some(Classification::Positive);
                EventKind::Replied
            }
            60..64 => EventKind::Unsubscribed,
            64..70 => EventKind::Resubscribed,
            70..74 => EventKind::MeetingBooked,
            74..77 => {
                // Of the whole account, named by its domain alone.
                account.domain = Domain::parse(email.split('@').next_back().unwrap_or_default()).ok();
                subject = SubjectKeys::default();
                EventKind::DealOpened
            }
            77..79 => EventKind::SignalDetected,
            79..83 => {
                let wait = dice.millis(50, 400);
                detail.until = now.saturating_add(wait).ok();
                EventKind::ManualPause
            }
            83..85 => EventKind::ManualPause,
            85..89 => EventKind::ManualResume,
            89..92 => {
                detail.owner = Some(an_owner);
                EventKind::OwnerChanged
            }
            92..94 => {
                detail.contact.set("tier", ["a", "b", "c"][usize::try_from(dice.below(3)).expect("small")]);
                EventKind::ContactUpdated
            }
            94..95 => EventKind::ManualRedrive,
            _ => match remote {
                Some((of, id)) => {
                    workspace = of;
                    subject = SubjectKeys::default();
                    detail.task = Some(TaskRef::Remote(id));
                    detail.outcome = Some("connected".to_owned());
                    EventKind::TaskCompleted
                }
                None => EventKind::PageVisited,
            },
        };
        self.next += 1;
        let id = format!("h{}-{}", self.task, self.next);
        let event = Event {
            id: EventId::new(id.as_str()).expect("an id"),
            digest: Digest::of(&[id.as_bytes()]),
            workspace,
            source: SourceName::new("hammer").expect("a name"),
            kind,
            occurred_at: now,
            received_at: now,
            subject,
            account,
            detail,
            actor: None,
        };
        Input::Event(EventInput {
            event: Arc::new(event),
            occurred_at: now,
            received_at: now,
            origin: Origin::Live,
            trace: None,
        })
    }
}
