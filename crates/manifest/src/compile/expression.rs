//! Expressions, with their findings at the place in the file.

use domain::event::EventKind;
use domain::expr::{ExprError, Expression, Position, Scope};

use super::{Compiler, Names};
use crate::diagnostic::{Code, Finding};
use crate::document::Kind;
use crate::model::{At, Cel, Maybe};
use crate::yaml;

/// Where an expression stands, and the steps that it may name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) position: Position,
    pub(super) kind: Option<EventKind>,
    pub(super) steps: &'a [&'a str],
}

impl<'a> Around<'a> {
    pub(super) fn new(position: Position, steps: &'a [&'a str]) -> Self {
        Self { position, kind: None, steps }
    }

    /// Where `event` is of that kind.
    pub(super) fn event(kind: EventKind, steps: &'a [&'a str]) -> Self {
        Self { position: Position::OnEvent, kind: Some(kind), steps }
    }
}

impl Compiler<'_> {
    pub(super) fn maybe_expression(&mut self, source: &Maybe<Cel>, around: Around<'_>) -> Option<Expression> {
        source.as_ref().and_then(|source| self.expression(source, around))
    }

    pub(super) fn expression(&mut self, source: &At<Cel>, around: Around<'_>) -> Option<Expression> {
        let Cel(written) = source.get()?;
        let mut scope = Scope::new(around.position).steps(around.steps);
        if let Some(kind) = around.kind {
            scope = scope.event_kind(kind.as_str());
        }
        let segments = match self.names {
            Names::Of(known) => Some(known.names(&self.document.workspace, Kind::Segment)),
            Names::Trusted => None,
        };
        if let Some(segments) = &segments {
            scope = scope.segments(segments);
        }
        match Expression::compile(written, &scope) {
            Ok(expression) => {
                for warning in expression.warnings() {
                    self.log.push(self.place(source, written, warning.clone(), doubt(warning)));
                }
                Some(expression)
            }
            Err(error) => {
                self.log.push(self.place(source, written, error, Code::Expression));
                None
            }
        }
    }

    /// What to do about a field that nothing declares, while files of kind Fields are not read.
    pub(super) fn own_field(&self) -> String {
        let own = "check its spelling; a field of your own is fine";
        match self.document.kind {
            Kind::Cadence => format!("{own}: say so with `lint: {{ allow: [undeclared_attribute] }}`"),
            Kind::Template | Kind::Segment | Kind::Calendar => own.to_owned(),
        }
    }

    fn place(&self, source: &At<Cel>, written: &str, error: ExprError, code: Code) -> Finding {
        let at = yaml::inner(self.text, source.at, written, error.at.start, error.at.end);
        let hint = match code {
            Code::UndeclaredAttribute => Some(self.own_field()),
            _ => error.hint.map(without_declaring),
        };
        Finding::new(code, at, error.message).maybe_hint(hint)
    }
}

/// Declaring a field is no way out yet.
pub(super) fn without_declaring(hint: String) -> String {
    match hint.find(" If it is yours") {
        Some(end) => hint[..end].to_owned(),
        None => hint,
    }
}

fn doubt(warning: &ExprError) -> Code {
    if warning.message.ends_with("is not declared") {
        Code::UndeclaredAttribute
    } else {
        Code::DoubtfulExpression
    }
}
