//! The pure decisions as the fold of a unit.

use std::sync::{Arc, Mutex, PoisonError};

use domain::catalog::Catalog;
use domain::decide;
use domain::decision::{Cause, Decision, DecisionRecord};
use domain::event::StopClass;
use domain::input::{EventInput, Input, Origin};
use domain::touch::Note;
use domain::world::World;
use ports::unit::{Admitted, Fold, FoldError, Reach, Standing};

/// Folds with `domain::decide` under one catalog.
pub struct DomainFold {
    catalog: Arc<Catalog>,
    decided: Mutex<Vec<DecisionRecord>>,
    keep: Keep,
}

/// Whether a fold keeps what it decided for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The store has it; nobody asks.
    Nothing,
    /// A person waits for the answer.
    Decisions,
}

impl DomainFold {
    /// Decides under `catalog`.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, keep: Keep) -> Self {
        Self { catalog, decided: Mutex::new(Vec::new()), keep }
    }

    /// What the last fold decided, when it was to be kept. Only what was committed counts, so ask after the unit.
    #[must_use]
    pub fn decided(&self) -> Vec<DecisionRecord> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Fold for DomainFold {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    fn reach(&self, event: &EventInput) -> Reach {
        match decide::reach(&self.catalog, event) {
            decide::Reach::Contact => Reach::Contact,
            decide::Reach::Account => Reach::Account,
        }
    }

    fn fold(&self, world: &mut World, inputs: &[Admitted]) -> Result<(), FoldError> {
        for admitted in inputs {
            match (&admitted.input, admitted.standing) {
                (Input::Event(event), Standing::Duplicate) => {
                    let record = ignored(event, Note::new("duplicate", "it was processed before"));
                    world.decisions.push(record.without_id());
                }
                (_, Standing::Duplicate) => {}
                (Input::Event(event), Standing::BeforeHorizon) if is_late(event) => {
                    let why = "received before the time for which duplicates are known";
                    world.decisions.push(ignored(event, Note::new("late", why)));
                }
                (input, _) => decide::fold(world, input).map_err(|_| FoldError::OutOfIds)?,
            }
        }
        if self.keep == Keep::Decisions {
            *self.decided.lock().unwrap_or_else(PoisonError::into_inner) = world.decisions.clone();
        }
        Ok(())
    }
}

/// Before the horizon nobody knows whether an event was processed already; a stop is applied all the same, since
/// applying it twice does no harm, and so is what a person asked for.
fn is_late(event: &EventInput) -> bool {
    decide::stop_class(&event.event) == StopClass::Ordinary && event.origin == Origin::Live
}

/// The record of an event that is not folded.
fn ignored(input: &EventInput, why: Note) -> DecisionRecord {
    let event = &input.event;
    DecisionRecord {
        workspace: event.workspace.clone(),
        cause: Cause::of(event),
        contact: None,
        at: input.received_at,
        items: vec![Decision::Ignored { why }],
    }
}
