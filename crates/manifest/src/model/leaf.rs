//! Values without keys: words, names, numbers, durations, expressions.

use domain::cadence::{Completion, ExitScope, Guard, OnConflict, Outcome, Switch, Target};
use domain::event::EventKind;
use domain::id::{CalendarName, ConnectorName, StepId, TemplateName, Workspace};
use domain::time::{DayCounting, Span};
use domain::touch::Channel;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::read::{Read, mismatch, text, word};
use crate::diagnostic::{Code, Finding, Log, suggest};
use crate::yaml::{Node, NodeKind, Value};

/// An expression as it is written; compiled once the names around it are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cel(pub(crate) String);

impl Read for Cel {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let NodeKind::Scalar(scalar) = &node.kind else { return mismatch(node, "an expression", log) };
        match scalar.value() {
            Value::Nothing => mismatch(node, "an expression", log),
            // `when: true` is a boolean of YAML and an expression of ours.
            Value::Text(text) | Value::Int(text) | Value::Float(text) => Some(Self(text.to_owned())),
            Value::Bool(yes) => Some(Self(yes.to_string())),
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "boolean"], "description": "A CEL expression that is true or false." })
    }
}

impl Read for String {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        text(node, "text", log).map(str::to_owned)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

macro_rules! names {
    ($($type:ident)*) => {
        $(impl Read for $type {
            fn read(node: &Node, log: &mut Log) -> Option<Self> {
                let name = text(node, "a name", log)?;
                Self::new(name).map_err(|error| log.report(Code::BadValue, node.at, error.to_string())).ok()
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$" })
            }
        })*
    };
}

names! { Workspace StepId TemplateName CalendarName ConnectorName }

macro_rules! words {
    ($($type:ident is $expected:literal: [$($value:expr => $name:expr),*] later [$($later:literal),*];)*) => {
        $(impl Read for $type {
            fn read(node: &Node, log: &mut Log) -> Option<Self> {
                word(node, ($expected, &[$(($name, $value)),*], &[$($later),*]), log)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$($name),*] })
            }
        })*
    };
}

macro_rules! all_words {
    ($($type:ident is $expected:literal later [$($later:literal),*];)*) => {
        $(impl Read for $type {
            fn read(node: &Node, log: &mut Log) -> Option<Self> {
                let known = Self::ALL.map(|one| (one.as_str(), one));
                word(node, ($expected, &known, &[$($later),*]), log)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": Self::ALL.map(Self::as_str) })
            }
        })*
    };
}

all_words! {
    Channel is "a channel" later [];
    Outcome is "an outcome" later [];
    Completion is "a completion" later [];
    ExitScope is "a scope" later [];
    OnConflict is "an answer to a conflict" later ["queue"];
}

/// What `record` may be: only contacts yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Contact,
}

/// What `mode` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Live,
}

/// What `spacing` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spacing {
    Keep,
}

/// What `pause.arithmetic` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Keep,
}

/// What `approval` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approval {
    None,
}

words! {
    Record is "a record": [Self::Contact => "contact"] later ["deal", "lead", "partnership"];
    Mode is "a mode": [Self::Live => "live"] later ["shadow"];
    Spacing is "a spacing": [Self::Keep => "keep"] later ["shift"];
    Arithmetic is "a pause arithmetic": [Self::Keep => "keep"] later ["restart", "wallclock"];
    Approval is "an approval": [Self::None => "none"] later ["required"];
    DayCounting is "a way to count days": [Self::Calendar => "calendar", Self::Business => "business"] later [];
    Switch is "`on` or `off`": [Self::On => "on", Self::Off => "off"] later [];
}

impl Read for EventKind {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let known: Vec<_> = external().map(|kind| (kind.as_str(), kind)).collect();
        word(node, ("an event kind", &known, &[]), log)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": external().map(Self::as_str).collect::<Vec<_>>() })
    }
}

/// The kinds that files may name: those that happen outside.
fn external() -> impl Iterator<Item = EventKind> {
    EventKind::ALL.iter().copied().filter(|kind| kind.is_external())
}

/// The names of guards, for messages.
pub(crate) fn guard_names() -> impl Iterator<Item = &'static str> + Clone {
    Guard::ALL.into_iter().map(Guard::as_str)
}

impl Read for Target {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        match text(node, "a step's id, `next` or `end`", log)? {
            "next" => Some(Self::Next),
            "end" => Some(Self::End),
            _ => StepId::read(node, log).map(Self::Step),
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A step's id, `next` or `end`." })
    }
}

impl Read for Span {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let given = match &node.kind {
            // A number alone gets the message that says which unit to add.
            NodeKind::Scalar(scalar) if matches!(scalar.value(), Value::Int(_)) => scalar.text.as_str(),
            _ => text(node, "a duration such as 30s, 5m, 2h, 1d, 1w or 3bd", log)?,
        };
        Self::parse(given).map_err(|error| log.report(Code::BadValue, node.at, error.to_string())).ok()
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(s|m|h|d|w|bd)$" })
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole<const LEAST: u32, const MOST: u32>(pub(crate) u32);

impl<const LEAST: u32, const MOST: u32> Read for Whole<LEAST, MOST> {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let NodeKind::Scalar(scalar) = &node.kind else { return mismatch(node, "a whole number", log) };
        let Value::Int(given) = scalar.value() else { return mismatch(node, "a whole number", log) };
        let number = given.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
        if number.is_none() {
            log.report(
                Code::BadValue,
                node.at,
                format!("`{given}` is not a whole number from {LEAST} to {MOST}"),
            );
        }
        number.map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
    }
}

/// A warning that a cadence does not want to hear.
impl Read for Code {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let name = text(node, "the name of a warning", log)?;
        let found = Self::warning(name);
        if found.is_none() {
            let say = match Self::ALL.iter().find(|code| code.as_str() == name) {
                Some(_) => format!("`{name}` is an error: it cannot be allowed"),
                None => format!("`{name}` is not a warning of lint"),
            };
            let hint = suggest(name, Self::warnings().map(Self::as_str));
            log.push(Finding::new(Code::BadValue, node.at, say).maybe_hint(hint));
        }
        found
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::warnings().map(Self::as_str).collect::<Vec<_>>() })
    }
}
