//! YAML as a tree of nodes that know where they stand. Only this module sees the YAML parser.

mod align;
mod node;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use align::inner;
pub(crate) use node::{Entry, Node, NodeKind, Style, Value};
pub(crate) use read::read;
#[cfg(test)]
use {node::Scalar, read::RawDocument};
