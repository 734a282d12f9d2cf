//! The tree.

use std::rc::Rc;

use crate::source::Extent;

/// A value of a document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Extent,
    pub(crate) kind: NodeKind,
    /// How many nodes it holds, aliases written out.
    pub(crate) size: usize,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Mapping(Vec<Entry>),
    /// It was refused already: say no more about it.
    Refused,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Extent,
    pub(crate) value: Rc<Node>,
}

/// Text, a number, a boolean or nothing.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// Whether a scalar is always text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: the core schema says what it is.
    Plain,
    /// In quotes: text.
    Quoted,
    /// `|` or `>`: text.
    Block,
}

/// A scalar as the core schema of YAML 1.2 reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Nothing,
    Bool(bool),
    /// A whole number, as it is written.
    Int(&'a str),
    /// Any other number, as it is written.
    Float(&'a str),
    Text(&'a str),
}

impl Scalar {
    pub(crate) fn value(&self) -> Value<'_> {
        let text = self.text.as_str();
        if self.style != Style::Plain {
            return Value::Text(text);
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Value::Nothing,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            _ if is_int(text) => Value::Int(text),
            _ if is_float(text) => Value::Float(text),
            _ => Value::Text(text),
        }
    }
}

fn is_int(text: &str) -> bool {
    let some = |digits: &str, of: fn(char) -> bool| !digits.is_empty() && digits.chars().all(of);
    if let Some(digits) = text.strip_prefix("0x") {
        return some(digits, |c| c.is_ascii_hexdigit());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return some(digits, |c| ('0'..='7').contains(&c));
    }
    some(text.strip_prefix(['-', '+']).unwrap_or(text), |c| c.is_ascii_digit())
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let starts_well = unsigned.starts_with(|c: char| c.is_ascii_digit())
        || unsigned.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    starts_well
        && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'))
        && unsigned.parse::<f64>().is_ok()
}

impl Node {
    /// What messages call it.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Mapping(_) => "a mapping".to_owned(),
            NodeKind::Refused => "something else".to_owned(),
            NodeKind::Scalar(scalar) => match scalar.value() {
                Value::Nothing => "nothing".to_owned(),
                Value::Bool(yes) => format!("`{yes}`"),
                Value::Int(text) | Value::Float(text) => format!("the number {text}"),
                Value::Text(_) => "text".to_owned(),
            },
        }
    }

    /// The value of a key, when this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            NodeKind::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            NodeKind::List(_) | NodeKind::Scalar(_) | NodeKind::Refused => None,
        }
    }

    /// Its text, when it is a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(&scalar.text),
            NodeKind::List(_) | NodeKind::Mapping(_) | NodeKind::Refused => None,
        }
    }

    /// Whether nothing was written.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar(scalar) if scalar.value() == Value::Nothing)
    }
}
