//! Where the values of an expression come from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::Expression;
use super::schema::Variable;
use super::value::Value;

/// A field that an expression names: `contact.score`, `steps["call-now"].outcome`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldRef {
    /// Of which variable; never `now`.
    pub of: Variable,
    /// The id of the step, for `steps` only.
    pub step: Option<Arc<str>>,
    /// The field.
    pub name: Arc<str>,
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "{}[\"{step}\"].{}", self.of, self.name),
            None => write!(f, "{}.{}", self.of, self.name),
        }
    }
}

/// What is known when an expression is judged. Only the fields that it names are asked for, each when it is needed.
pub trait Facts {
    /// The value of a field; none when it is absent. `event.data` is the whole data of the event, as a map; any other
    /// name of an event that is not built in is one of its data.
    fn field(&self, field: &FieldRef) -> Option<Cow<'_, Value>>;

    /// The current business time.
    fn now(&self) -> Timestamp;

    /// The expression of a segment.
    fn segment(&self, name: &str) -> Option<&Expression> {
        let _ = name;
        None
    }
}

/// Facts that were collected beforehand: for tests, previews and small uses.
#[derive(Debug, Clone)]
pub struct Bindings {
    now: Timestamp,
    fields: BTreeMap<Variable, BTreeMap<String, Value>>,
    steps: BTreeMap<String, BTreeMap<String, Value>>,
    segments: BTreeMap<String, Expression>,
}

impl Bindings {
    /// Nothing but the time.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { now, fields: BTreeMap::new(), steps: BTreeMap::new(), segments: BTreeMap::new() }
    }

    /// With a field of a variable.
    #[must_use]
    pub fn with(mut self, of: Variable, name: &str, value: impl Into<Value>) -> Self {
        self.fields.entry(of).or_default().insert(name.to_owned(), value.into());
        self
    }

    /// With the fields of a JSON object; `null`s are absent.
    #[must_use]
    pub fn with_json(mut self, of: Variable, json: &serde_json::Value) -> Self {
        if let Some(Value::Map(fields)) = Value::from_json(json) {
            self.fields.entry(of).or_default().extend((*fields).clone());
        }
        self
    }

    /// With a field of a step.
    #[must_use]
    pub fn with_step(mut self, step: &str, name: &str, value: impl Into<Value>) -> Self {
        self.steps.entry(step.to_owned()).or_default().insert(name.to_owned(), value.into());
        self
    }

    /// With a segment.
    #[must_use]
    pub fn with_segment(mut self, name: &str, when: Expression) -> Self {
        self.segments.insert(name.to_owned(), when);
        self
    }
}

impl Facts for Bindings {
    fn field(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        let name = field.name.as_ref();
        if let Some(step) = &field.step {
            return self.steps.get(step.as_ref())?.get(name).map(Cow::Borrowed);
        }
        let fields = self.fields.get(&field.of)?;
        match fields.get(name) {
            Some(value) => Some(Cow::Borrowed(value)),
            None if name == "data" => Some(Cow::Owned(Value::from(fields.clone()))),
            None => None,
        }
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn segment(&self, name: &str) -> Option<&Expression> {
        self.segments.get(name)
    }
}
