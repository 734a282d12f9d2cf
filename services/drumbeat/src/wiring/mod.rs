//! From the configuration to running services: the one place that knows every adapter.

mod adapters;
mod clock;
mod config;
mod connectors;
mod defaults;
mod failpoints;
mod folder;
mod observers;
mod roles;
mod survey;
mod watched;

pub(crate) use adapters::{keys, of_store, open_bus, open_store, url};
pub(crate) use clock::{SystemClock, fresh_id, random_key, variable};
pub(crate) use config::{checked, judge, load, read};
pub(crate) use connectors::{connectors, names as connector_names};
pub(crate) use defaults::defaults;
pub(crate) use failpoints::arm;
pub(crate) use folder::Claim;
pub(crate) use roles::{Started, System};
