//! Folding inputs into the world: what an event, a timer or a touch's result does.
//!
//! One input at a time, in the order of the cadence language, §5: facts, exits, jumps and waits, entries. What happens is
//! written into the rows of the [`World`], what was decided into one record an input, and what the world should hear into
//! its outbox. Nothing is refused or ignored without a note that says why.
//!
//! Nothing here reads a clock: an event is decided as of its arrival, a timer as of its due time, a touch's result as of
//! when it was seen.

mod advance;
mod attempts;
mod binding;
mod complete;
mod consent;
mod dispatch;
mod engage;
mod enter;
mod event;
mod exits;
mod folding;
mod guards;
mod jumps;
mod learn;
mod limits;
mod manual;
mod merge;
mod pause;
mod schedule;
mod stop;
mod subject;
mod task;
mod timers;

pub use binding::View;
pub use consent::class as stop_class;
pub use dispatch::{Judgement, judge};
pub use limits::{defer, reservations};
pub use task::task;

use crate::catalog::Catalog;
use crate::event::EventKind;
use crate::input::{EventInput, Input};
use crate::world::{OutOfIds, World};

/// Folds one input into the world.
///
/// # Errors
/// [`OutOfIds`] when it makes more rows than ids were reserved: reserve more, and fold the unit again from the start.
pub fn fold(world: &mut World, input: &Input) -> Result<(), OutOfIds> {
    world.index();
    match input {
        Input::Event(event) => event::fold(world, event),
        Input::Timer(timer) => timers::fold(world, timer),
        Input::Touch(touch) => attempts::fold(world, touch),
    }
}

/// What an event needs loaded beside the contact that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nothing.
    Contact,
    /// The contacts of its account: with live enrollments for the rules that look at them, and, for an event that names an
    /// account and nobody, all of them, since it may enroll them.
    Account,
}

/// What an event needs loaded: its account's contacts only where a rule in force looks at them.
#[must_use]
pub fn reach(catalog: &Catalog, input: &EventInput) -> Reach {
    let event = &input.event;
    let Some(content) = catalog.content(&event.workspace) else { return Reach::Contact };
    let of_account = event.subject.is_empty() && !event.account.is_empty() && event.detail.task.is_none();
    let enters_many = of_account && !content.listeners(event.kind).is_empty();
    let watched = raised_by(input).chain([event.kind]).any(|kind| content.watches_account(kind));
    if watched || enters_many { Reach::Account } else { Reach::Contact }
}

/// The kinds that an event may raise beside its own: what a task's outcome says.
fn raised_by(input: &EventInput) -> impl Iterator<Item = EventKind> {
    let outcome = input.event.detail.outcome.as_deref().filter(|_| complete::may_raise(input.event.kind));
    outcome.and_then(complete::raised).map(|raised| raised.kind).into_iter()
}
