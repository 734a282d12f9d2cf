//! What a person does: stored and folded as an event like any other, so that the log is the whole truth.

use std::sync::Arc;

use domain::attributes::Attributes;
use domain::decision::DecisionRecord;
use domain::event::{Detail, Event, EventKind, TaskRef};
use domain::id::{CadenceName, Digest, EnrollmentUid, EventId, NameError, SourceName, TouchKey, Workspace};
use domain::identity::SubjectKeys;
use domain::input::{EventInput, Input, Origin};
use domain::touch::Channel;
use jiff::Timestamp;
use ports::StoreError;
use ports::unit::{Unit, Units};
use uuid::Uuid;

use crate::catalogs::Catalogs;
use crate::folding::{DomainFold, Keep};

/// Who acts, and through what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person, as they are known to the machine.
    pub name: String,
    /// `cli` or `console`.
    pub via: SourceName,
}

/// Whom or what an action is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person, by their keys.
    Contact(SubjectKeys),
    /// One enrollment.
    Enrollment(EnrollmentUid),
    /// One touch.
    Touch(TouchKey),
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Enters a cadence without trigger and audience.
    Enroll {
        /// Which.
        cadence: CadenceName,
        /// Guards to pass over, by name; recorded with the actor.
        overrides: Vec<String>,
        /// Attributes to set first.
        contact: Attributes,
    },
    /// Holds enrollments.
    Pause {
        /// Until then; absent: until resumed.
        until: Option<Timestamp>,
    },
    /// Lifts the hold of a person.
    Resume,
    /// Takes enrollments out, back to manual handling.
    Remove {
        /// Why.
        reason: Option<String>,
    },
    /// Marks a task complete.
    Complete {
        /// How: `done`, `connected`, …
        outcome: String,
    },
    /// Leaves a touch out.
    Skip,
    /// Sends a failed or unknown touch again.
    Redrive,
    /// Stops a person, on one channel or all.
    Suppress {
        /// Absent: all.
        channel: Option<Channel>,
        /// Why.
        reason: Option<String>,
    },
    /// Takes a person's renewed consent down.
    Resubscribe {
        /// Absent: all.
        channel: Option<Channel>,
    },
}

impl Action {
    fn kind(&self) -> EventKind {
        match self {
            Self::Enroll { .. } => EventKind::ManualEnroll,
            Self::Pause { .. } => EventKind::ManualPause,
            Self::Resume => EventKind::ManualResume,
            Self::Remove { .. } => EventKind::ManualRemove,
            Self::Complete { .. } => EventKind::TaskCompleted,
            Self::Skip => EventKind::ManualSkip,
            Self::Redrive => EventKind::ManualRedrive,
            Self::Suppress { .. } => EventKind::Unsubscribed,
            Self::Resubscribe { .. } => EventKind::Resubscribed,
        }
    }

    fn detail(self) -> Detail {
        let mut detail = Detail::default();
        match self {
            Self::Enroll { cadence, overrides, contact } => {
                detail.name = Some(cadence.as_str().to_owned());
                detail.contact = contact;
                if !overrides.is_empty() {
                    detail.data.set("override", overrides);
                }
            }
            Self::Pause { until } => detail.until = until,
            Self::Remove { reason } => detail.reason = reason,
            Self::Complete { outcome } => detail.outcome = Some(outcome),
            Self::Suppress { channel, reason } => {
                detail.channel = channel;
                detail.reason = reason;
            }
            Self::Resubscribe { channel } => detail.channel = channel,
            Self::Resume | Self::Skip | Self::Redrive => {}
        }
        detail
    }
}

/// One thing that a person does.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// To whom it belongs.
    pub workspace: Workspace,
    /// Who.
    pub actor: Actor,
    /// Unique to this act: repeating it with the same id does nothing more.
    pub id: Uuid,
    /// When (wall clock).
    pub at: Timestamp,
    /// About whom or what.
    pub subject: Subject,
    /// What.
    pub action: Action,
}

/// Why an act failed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The id of the act is no event id.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Lets people act.
pub struct People {
    units: Arc<dyn Units>,
    catalogs: Arc<Catalogs>,
}

/// Acts of one unit; more are split.
const SLICE: usize = 200;

impl People {
    /// Acts on `units`, under the catalog of the moment.
    #[must_use]
    pub fn new(units: Arc<dyn Units>, catalogs: Arc<Catalogs>) -> Self {
        Self { units, catalogs }
    }

    /// Does one thing, and says what was decided.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses it.
    pub async fn act(&self, act: Act) -> Result<Vec<DecisionRecord>, ActionError> {
        self.act_all(vec![act]).await
    }

    /// Does many things in order, in slices of one transaction each, and says what was decided on each.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses one; earlier slices stay done.
    pub async fn act_all(&self, acts: Vec<Act>) -> Result<Vec<DecisionRecord>, ActionError> {
        let clock = self.units.business();
        let mut decided = Vec::with_capacity(acts.len());
        let mut inputs = acts.into_iter().map(|act| {
            let event = event(act)?;
            Ok(Input::Event(EventInput {
                occurred_at: clock.business(event.occurred_at),
                received_at: clock.business(event.received_at),
                event: Arc::new(event),
                origin: Origin::Live,
                trace: None,
            }))
        });
        loop {
            let slice: Vec<Input> = inputs.by_ref().take(SLICE).collect::<Result<_, NameError>>()?;
            if slice.is_empty() {
                return Ok(decided);
            }
            let fold = Arc::new(DomainFold::new(self.catalogs.current().await?, Keep::Decisions));
            let unit = Unit { inputs: slice, ..Unit::default() };
            self.units.run(unit, Arc::<DomainFold>::clone(&fold)).await?;
            decided.extend(fold.decided());
        }
    }

    /// Folds a recorded event again, as a person asked: its age does not make it late.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses it.
    pub async fn redrive(&self, event: Event) -> Result<Vec<DecisionRecord>, ActionError> {
        let clock = self.units.business();
        let input = EventInput {
            occurred_at: clock.business(event.occurred_at),
            received_at: clock.business(event.received_at),
            event: Arc::new(event),
            origin: Origin::Redriven,
            trace: None,
        };
        let fold = Arc::new(DomainFold::new(self.catalogs.current().await?, Keep::Decisions));
        let unit = Unit { inputs: vec![Input::Event(input)], ..Unit::default() };
        self.units.run(unit, Arc::<DomainFold>::clone(&fold)).await?;
        Ok(fold.decided())
    }
}

fn event(act: Act) -> Result<Event, NameError> {
    let Act { workspace, actor, id, at, subject, action } = act;
    let kind = action.kind();
    let mut detail = action.detail();
    let mut keys = SubjectKeys::default();
    match subject {
        Subject::Contact(contact) => keys = contact,
        Subject::Enrollment(uid) => detail.data.set("enrollment", uid.to_string()),
        Subject::Touch(key) => detail.task = Some(TaskRef::Key(key)),
    }
    Ok(Event {
        id: EventId::new(id.to_string())?,
        digest: Digest::of(&[actor.via.as_str().as_bytes(), id.as_bytes()]),
        workspace,
        source: actor.via,
        kind,
        occurred_at: at,
        received_at: at,
        subject: keys,
        account: domain::identity::AccountKeys::default(),
        detail,
        actor: Some(actor.name),
    })
}
