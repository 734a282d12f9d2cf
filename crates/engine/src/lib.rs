//! The use cases of Drumbeat over its ports: apply events, fire timers, act for a person, explain, apply content.
//!
//! Everything that decides is in `domain`; everything that touches the world is behind `ports`. This crate joins the two
//! and holds no SQL, no HTTP, no wire format and no clock.

mod catalogs;
mod content;
mod explain;
mod folding;
mod people;
mod process;
mod timers;

pub use catalogs::Catalogs;
pub use content::{AppliedDocument, Apply, ApplyError, ApplyReport, apply, lint};
pub use explain::{CRM_ID, Explanation, explain};
pub use folding::{DomainFold, Keep};
pub use people::{Act, Action, ActionError, Actor, People, Subject};
pub use process::{Batch, Item, Letters, ProcessError, Processed, Processor};
pub use timers::{Fired, fire_due};
