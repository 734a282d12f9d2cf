//! Expressions: CEL, read once, checked against what may be named where, and judged against facts within a bound.
//!
//! The parser is that of the `cel` crate, which is used nowhere else. Its syntax tree is checked and translated into a
//! form of our own, for three reasons: what is absent has the meaning that the cadence language gives it, the work of a
//! judgement is counted and bounded, and each clause can be shown with what it saw.
//!
//! A field that the language knows or a `Fields` file declares always exists: an absent boolean is false, an absent text
//! `""`, an absent list or map empty. An absent number or time, and any other absent field, cannot be judged; that makes
//! the whole expression false, unless the other side of `&&` or `||` decides. `has(contact.score)` asks.
//!
//! This module never does I/O, never reads a clock (`now` is a fact), and never fails at a judgement: what cannot be
//! judged is false and says why.

mod calls;
mod error;
mod eval;
mod facts;
mod functions;
mod lower;
mod node;
mod parse;
pub mod schema;
mod scope;
mod types;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use error::{EvalNote, ExprError, NoteKind};
use eval::Judge;
pub use facts::{Bindings, Facts, FieldRef};
use lower::Lowering;
use node::{Named, Node};
pub use schema::{Declared, FieldType, Variable};
pub use scope::{Position, Scope};
use types::Type;
pub use value::Value;

/// A condition. Cheap to clone; equal when written alike in the same kind of place.
#[derive(Clone)]
pub struct Expression(Arc<Program>);

/// An expression that gives a value: `until: event.until`, `once_per: event.session`, `at: entry.starts_at`.
#[derive(Clone)]
pub struct ValueExpression(Arc<Program>);

struct Program {
    source: Arc<str>,
    position: Position,
    /// The parts that the outermost `&&` joins; one when there is none.
    parts: Vec<Node>,
    /// Where the parts are written.
    written: Vec<Range<usize>>,
    fields: BTreeSet<FieldRef>,
    segments: BTreeSet<Arc<str>>,
    warnings: Vec<ExprError>,
}

/// What a judgement came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not hold; with a note when it could not be judged.
    False {
        /// Why it could not be judged.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<EvalNote>,
    },
}

impl Verdict {
    /// Whether it is true.
    #[must_use]
    pub fn is_true(&self) -> bool {
        matches!(self, Self::True)
    }

    /// Why it could not be judged.
    #[must_use]
    pub fn why(&self) -> Option<&EvalNote> {
        match self {
            Self::True => None,
            Self::False { why } => why.as_ref(),
        }
    }

    fn of(judged: Result<bool, EvalNote>) -> Self {
        match judged {
            Ok(true) => Self::True,
            Ok(false) => Self::False { why: None },
            Err(note) => Self::False { why: Some(note) },
        }
    }
}

/// One part of a condition as it was judged: what was demanded, and what was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clause {
    /// The part, as written.
    pub text: String,
    /// What it came to.
    pub verdict: Verdict,
    /// The fields that it names, with their values; none where absent.
    pub seen: Vec<(String, Option<Value>)>,
}

impl Expression {
    /// Reads a condition.
    ///
    /// # Errors
    ///
    /// The first [`ExprError`]: a syntax error, an unknown name, types that do not fit, or a result that is not true or
    /// false.
    pub fn compile(source: &str, scope: &Scope<'_>) -> Result<Self, ExprError> {
        let parsed = parse::parse(source)?;
        let mut lowering = Lowering::new(&parsed, *scope);
        let mut parts = Vec::new();
        let is_and = matches!(&parsed.root.expr, cel::common::ast::Expr::Call(call)
            if call.func_name == cel::common::ast::operators::LOGICAL_AND);
        if is_and {
            lowering.flatten(&parsed.root, cel::common::ast::operators::LOGICAL_AND, &mut parts)?;
        } else {
            parts.push(lowering.expect(&parsed.root, &[Type::Bool], "a condition")?);
            if Lowering::is_constant(&parts[0]).is_some() {
                let constant = ExprError::new(0..source.len(), "the condition is always the same");
                lowering.warnings.push(constant);
            }
        }
        let warnings = lowering.warnings;
        Ok(Self(Arc::new(Program::new(source, scope.position, parts, warnings))))
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The source, to be kept.
    #[must_use]
    pub fn shared_source(&self) -> Arc<str> {
        Arc::clone(&self.0.source)
    }

    /// Whether it names the same fields as another.
    #[must_use]
    pub fn looks_at_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.fields == other.0.fields
    }

    /// What is probably not meant: undeclared fields, texts that a field never is.
    #[must_use]
    pub fn warnings(&self) -> &[ExprError] {
        &self.0.warnings
    }

    /// The fields that it names, each once.
    pub fn variables(&self) -> impl Iterator<Item = &FieldRef> {
        self.0.fields.iter()
    }

    /// The segments that it uses.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.segments.iter().map(AsRef::as_ref)
    }

    /// Judges it. What cannot be judged is false, with a note.
    #[must_use]
    pub fn evaluate(&self, facts: &dyn Facts) -> Verdict {
        Verdict::of(Judge::new(facts).all(&self.0.parts))
    }

    /// Judges each part that the outermost `&&` joins, for explanations. Slower than [`Self::evaluate`]: it looks at all.
    #[must_use]
    pub fn clauses(&self, facts: &dyn Facts) -> Vec<Clause> {
        let parts = self.0.parts.iter().zip(&self.0.written);
        parts
            .map(|(part, written)| {
                let mut seen = Vec::new();
                part.visit(&mut |named| {
                    if let Named::Field(field) = named {
                        let path = field.to_string();
                        if seen.iter().all(|(known, _)| *known != path) {
                            seen.push((path, facts.field(field).map(std::borrow::Cow::into_owned)));
                        }
                    }
                });
                let verdict = Verdict::of(Judge::new(facts).truth(part));
                Clause { text: self.0.source[written.clone()].to_owned(), verdict, seen }
            })
            .collect()
    }

    fn nodes(&self) -> &[Node] {
        &self.0.parts
    }
}

impl ValueExpression {
    /// Reads an expression that gives a value.
    ///
    /// # Errors
    ///
    /// The first [`ExprError`].
    pub fn compile(source: &str, scope: &Scope<'_>) -> Result<Self, ExprError> {
        let parsed = parse::parse(source)?;
        let mut lowering = Lowering::new(&parsed, *scope);
        let (node, _) = lowering.lower(&parsed.root)?;
        let warnings = lowering.warnings;
        Ok(Self(Arc::new(Program::new(source, scope.position, vec![node], warnings))))
    }

    /// Reads an expression that gives a moment.
    ///
    /// # Errors
    ///
    /// As [`Self::compile`], and when it gives anything that cannot be a moment.
    pub fn compile_time(source: &str, scope: &Scope<'_>) -> Result<Self, ExprError> {
        let parsed = parse::parse(source)?;
        let mut lowering = Lowering::new(&parsed, *scope);
        let node = lowering.expect(&parsed.root, &[Type::Time, Type::Text], "a date")?;
        let warnings = lowering.warnings;
        Ok(Self(Arc::new(Program::new(source, scope.position, vec![node], warnings))))
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What is probably not meant.
    #[must_use]
    pub fn warnings(&self) -> &[ExprError] {
        &self.0.warnings
    }

    /// The fields that it names, each once.
    pub fn variables(&self) -> impl Iterator<Item = &FieldRef> {
        self.0.fields.iter()
    }

    /// Its value.
    ///
    /// # Errors
    ///
    /// An [`EvalNote`] when a field is absent or the facts do not fit.
    pub fn evaluate(&self, facts: &dyn Facts) -> Result<Value, EvalNote> {
        let mut judge = Judge::new(facts);
        // A program has at least one part.
        let part = self.0.parts.first().ok_or_else(|| EvalNote::absent("the expression"))?;
        judge.value(part).map(std::borrow::Cow::into_owned)
    }
}

impl Program {
    fn new(source: &str, position: Position, parts: Vec<Node>, warnings: Vec<ExprError>) -> Self {
        let mut written = parse::split_clauses(source);
        if written.len() != parts.len() {
            // Never seen; then each part is shown as the whole rather than as another part.
            written = vec![0..source.len(); parts.len()];
        }
        let (mut fields, mut segments) = (BTreeSet::new(), BTreeSet::new());
        for part in &parts {
            part.visit(&mut |named| match named {
                Named::Field(field) => {
                    fields.insert(field.clone());
                }
                Named::Segment(name) => {
                    segments.insert(name.clone());
                }
            });
        }
        Self { source: source.into(), position, parts, written, fields, segments, warnings }
    }
}

/// The names of segments that are made of themselves, through whatever others; each of them must be refused.
#[must_use]
pub fn segment_cycles<'a>(segments: impl IntoIterator<Item = (&'a str, &'a Expression)>) -> Vec<&'a str> {
    let segments: std::collections::BTreeMap<&str, &Expression> = segments.into_iter().collect();
    let reaches_itself = |start: &str| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = segments.get(start).into_iter().flat_map(|when| when.segments()).collect();
        while let Some(name) = open.pop() {
            if name == start {
                return true;
            }
            if seen.insert(name) {
                open.extend(segments.get(name).into_iter().flat_map(|when| when.segments()));
            }
        }
        false
    };
    segments.keys().copied().filter(|name| reaches_itself(name)).collect()
}

macro_rules! as_source {
    ($type:ident) => {
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.0.source == other.0.source && self.0.position == other.0.position
            }
        }

        impl Eq for $type {}

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($type), self.0.source)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.source)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0.source)
            }
        }
    };
}

as_source!(Expression);
as_source!(ValueExpression);
