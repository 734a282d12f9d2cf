//! An expression ready to be judged: names resolved, macros recognised, patterns compiled.

use std::sync::Arc;

use regex::Regex;

use super::facts::FieldRef;
use super::functions::Function;
use super::types::Type;
use super::value::Value;

/// One part of an expression.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Value),
    Field(FieldNode),
    Now,
    /// A variable of a comprehension, counted from the outermost.
    Local(usize),
    /// `map.name`, with the whole path for messages.
    Member(Box<Node>, Arc<str>, Arc<str>),
    Index(Box<Node>, Box<Node>),
    HasField(FieldNode),
    HasMember(Box<Node>, Arc<str>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    If(Box<[Node; 3]>),
    Binary(Operator, Box<[Node; 2]>),
    Negate(Box<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Regex),
    Segment(Arc<str>),
    Each(Box<Each>),
}

/// A field and what it holds.
#[derive(Debug, Clone)]
pub(super) struct FieldNode {
    pub(super) field: FieldRef,
    pub(super) holds: Type,
}

/// Operators of two operands; both are always judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// As it is written.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// A comprehension: `range.kind(x, body)`.
#[derive(Debug)]
pub(super) struct Each {
    pub(super) kind: EachKind,
    pub(super) range: Node,
    /// Only elements for which it is true; of `map` with three arguments and of `filter`.
    pub(super) only: Option<Node>,
    pub(super) body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EachKind {
    All,
    Exists,
    ExistsOne,
    /// `map`, and `filter` (whose body is the element).
    Map,
}

impl Node {
    /// Calls `visit` with every field and segment named in it.
    pub(super) fn visit<'a>(&'a self, visit: &mut impl FnMut(Named<'a>)) {
        match self {
            Self::Literal(_) | Self::Now | Self::Local(_) => {}
            Self::Field(field) | Self::HasField(field) => visit(Named::Field(&field.field)),
            Self::Segment(name) => visit(Named::Segment(name)),
            Self::Member(of, ..)
            | Self::HasMember(of, _)
            | Self::Not(of)
            | Self::Negate(of)
            | Self::Matches(of, _) => {
                of.visit(visit);
            }
            Self::Index(of, by) => {
                of.visit(visit);
                by.visit(visit);
            }
            Self::And(nodes) | Self::Or(nodes) | Self::List(nodes) | Self::Call(_, nodes) => {
                nodes.iter().for_each(|node| node.visit(visit));
            }
            Self::If(nodes) => nodes.iter().for_each(|node| node.visit(visit)),
            Self::Binary(_, nodes) => nodes.iter().for_each(|node| node.visit(visit)),
            Self::Map(entries) => entries.iter().for_each(|(key, value)| {
                key.visit(visit);
                value.visit(visit);
            }),
            Self::Each(each) => {
                each.range.visit(visit);
                if let Some(only) = &each.only {
                    only.visit(visit);
                }
                each.body.visit(visit);
            }
        }
    }
}

/// What a node names.
pub(super) enum Named<'a> {
    Field(&'a FieldRef),
    Segment(&'a Arc<str>),
}
