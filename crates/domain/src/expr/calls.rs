//! Operators and function calls: their types are checked here.

use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};
use regex::RegexBuilder;

use super::error::ExprError;
use super::functions::{Function, SIGNATURES, Signature, Style, habit, parse_duration, zone_named};
use super::lower::{Lowering, Typed, literal_text};
use super::node::{Node, Operator};
use super::schema::nearest;
use super::types::Type;
use super::value::{Value, parse_time};

/// The compiled size of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 256 * 1024;
const METHODS_BESIDE: [&str; 6] = ["matches", "all", "exists", "exists_one", "map", "filter"];
const GLOBALS_BESIDE: [&str; 2] = ["has", "segment"];

impl Lowering<'_> {
    pub(super) fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Result<Typed, ExprError> {
        if let Some(operator) = Self::operator(&call.func_name) {
            return self.binary(expr, operator, &call.args);
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, _) => {
                let mut parts = Vec::new();
                self.flatten(expr, operators::LOGICAL_AND, &mut parts)?;
                Ok((Node::And(parts), Type::Bool))
            }
            (operators::LOGICAL_OR, _) => {
                let mut parts = Vec::new();
                self.flatten(expr, operators::LOGICAL_OR, &mut parts)?;
                Ok((Node::Or(parts), Type::Bool))
            }
            (operators::LOGICAL_NOT, [of]) => {
                let of = self.expect(of, &[Type::Bool], "what `!` turns around")?;
                Ok((Node::Not(Box::new(of)), Type::Bool))
            }
            (operators::NEGATE, [of]) => {
                let (node, holds) = self.lower(of)?;
                if !holds.may_be_one_of(&[Type::Number, Type::Duration]) {
                    return Err(self.error(expr, format!("{} has no sign", holds.describe())));
                }
                Ok((Node::Negate(Box::new(node)), holds))
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                let condition = self.expect(condition, &[Type::Bool], "the condition of `? :`")?;
                let ((yes, one), (no, two)) = (self.lower(yes)?, self.lower(no)?);
                let holds = if one == two { one } else { Type::Any };
                Ok((Node::If(Box::new([condition, yes, no])), holds))
            }
            (operators::INDEX, args) => self.index(expr, args),
            _ => self.function(expr, call),
        }
    }

    /// The parts that one logical operator joins, left to right.
    pub(super) fn flatten(
        &mut self,
        expr: &IdedExpr,
        operator: &str,
        parts: &mut Vec<Node>,
    ) -> Result<(), ExprError> {
        match &expr.expr {
            Expr::Call(call) if call.func_name == operator => {
                call.args.iter().try_for_each(|part| self.flatten(part, operator, parts))
            }
            _ => {
                let sign = if operator == operators::LOGICAL_AND { "&&" } else { "||" };
                parts.push(self.expect(expr, &[Type::Bool], &format!("a side of `{sign}`"))?);
                Ok(())
            }
        }
    }

    fn binary(&mut self, expr: &IdedExpr, operator: Operator, args: &[IdedExpr]) -> Result<Typed, ExprError> {
        let [left, right] = args else { return Err(self.error(expr, "an operator takes two values")) };
        let ((one, of_one), (two, of_two)) = (self.lower(left)?, self.lower(right)?);
        let gives = type_of(operator, of_one, of_two).map_err(|message| {
            let error = self.error(expr, message);
            match operator {
                Operator::In if of_two == Type::Text => error.hint("write text.contains(\"part\")"),
                _ if is_time_and_text(of_one, of_two) => {
                    error.hint("write timestamp(\"2026-03-06T17:25:00Z\") or duration(\"36h\")")
                }
                _ => error,
            }
        })?;
        match operator {
            Operator::Equal | Operator::NotEqual => {
                self.check_choice(left, right);
                self.check_choice(right, left);
            }
            Operator::In => self.check_choice(left, right),
            _ => {}
        }
        Ok((Node::Binary(operator, Box::new([one, two])), gives))
    }

    fn function(&mut self, expr: &IdedExpr, call: &CallExpr) -> Result<Typed, ExprError> {
        let name = call.func_name.as_str();
        match (name, &call.target, call.args.as_slice()) {
            ("segment", None, [of]) => return self.segment(of),
            ("segment", ..) => {
                return Err(self.error(expr, "segment takes one name: segment(\"enterprise\")"));
            }
            ("matches", Some(of), [pattern]) => return self.matches(of, pattern),
            ("matches", None, [of, pattern]) => return self.matches(of, pattern),
            _ => {}
        }
        let arguments: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        let is_method = call.target.is_some();
        let Some(signature) = SIGNATURES.iter().find(|one| one.name == name && fits(one.style, is_method))
        else {
            return Err(self.unknown_function(expr, name, is_method));
        };
        self.check_count(expr, signature, arguments.len())?;
        let mut nodes = Vec::with_capacity(arguments.len());
        let mut gives = signature.gives;
        for (index, (argument, takes)) in arguments.iter().zip(signature.takes).enumerate() {
            let role = if index == 0 && is_method {
                format!("what {name} is asked of")
            } else {
                format!("what {name} takes")
            };
            let (node, holds) = self.lower(argument)?;
            if !holds.may_be_one_of(takes) {
                let wanted: Vec<_> = takes.iter().map(|one| one.describe()).collect();
                let message = format!("{role} is {}, not {}", holds.describe(), wanted.join(" or "));
                return Err(self.error(argument, message));
            }
            nodes.push(node);
            if signature.function == Function::Dynamic {
                gives = Type::Any;
            }
        }
        self.check_literals(signature.function, &arguments)?;
        // A text literal that is a moment or a length need not be read again at each judgement.
        if let (Function::ToTime | Function::ToDuration, [Node::Literal(literal)]) =
            (signature.function, nodes.as_slice())
            && let Ok(value) = signature.function.call(&[literal])
        {
            return Ok((Node::Literal(value), gives));
        }
        Ok((Node::Call(signature.function, nodes), gives))
    }

    fn check_count(&self, expr: &IdedExpr, signature: &Signature, given: usize) -> Result<(), ExprError> {
        let most = signature.takes.len();
        if (most - signature.optional..=most).contains(&given) {
            return Ok(());
        }
        let receiver = usize::from(signature.style == Style::Method);
        let message = format!("{} takes {} argument(s)", signature.name, most - receiver);
        Err(self.error(expr, message))
    }

    /// What is written out can be checked now.
    fn check_literals(&self, function: Function, arguments: &[&IdedExpr]) -> Result<(), ExprError> {
        let Some(last) = arguments.last() else { return Ok(()) };
        let Some(text) = literal_text(last) else { return Ok(()) };
        match function {
            Function::ToDuration => {
                parse_duration(text).map(|_| ()).map_err(|problem| self.error(last, problem.to_string()))
            }
            Function::ToTime if parse_time(text).is_none() => Err(self
                .error(last, format!("`{text}` is no time"))
                .hint("write 2026-03-06T17:25:00Z or 2026-03-06")),
            Function::Calendar(_) if arguments.len() == 2 => {
                zone_named(text).map(|_| ()).map_err(|problem| self.error(last, problem.text))
            }
            _ => Ok(()),
        }
    }

    fn unknown_function(&self, expr: &IdedExpr, name: &str, is_method: bool) -> ExprError {
        let error = self.error(expr, format!("unknown function `{name}`"));
        if let Some(known) = habit(name) {
            return error.nearest(Some(known));
        }
        if let Some(other) = SIGNATURES.iter().find(|one| one.name == name) {
            return error.hint(match other.style {
                Style::Method => format!("it is asked of a value: x.{name}(…)"),
                _ => format!("it is no method: {name}(x)"),
            });
        }
        let beside: &[&str] = if is_method { &METHODS_BESIDE } else { &GLOBALS_BESIDE };
        let known = SIGNATURES.iter().filter(|one| fits(one.style, is_method)).map(|one| one.name);
        error.nearest(nearest(name, known.chain(beside.iter().copied())))
    }

    fn segment(&self, of: &IdedExpr) -> Result<Typed, ExprError> {
        let name = literal_text(of).ok_or_else(|| {
            self.error(of, "the name of a segment is written out, in quotes: segment(\"enterprise\")")
        })?;
        if let Some(known) = self.scope.segments.filter(|known| !known.contains(&name)) {
            let error = self.error(of, format!("unknown segment `{name}`"));
            return Err(error.nearest(nearest(name, known.iter().copied())));
        }
        Ok((Node::Segment(name.into()), Type::Bool))
    }

    fn matches(&mut self, of: &IdedExpr, pattern: &IdedExpr) -> Result<Typed, ExprError> {
        let of = self.expect(of, &[Type::Text], "what matches is asked of")?;
        let source = literal_text(pattern)
            .ok_or_else(|| self.error(pattern, "a pattern is written out, in quotes"))?;
        let regex = RegexBuilder::new(source).size_limit(MAX_PATTERN_BYTES).build().map_err(|problem| {
            let problem = problem.to_string();
            let last = problem.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            self.error(pattern, format!("the pattern cannot be read: {last}"))
        })?;
        Ok((Node::Matches(Box::new(of), regex), Type::Bool))
    }

    /// Whether a whole expression is a literal, which a condition should not be.
    pub(super) fn is_constant(node: &Node) -> Option<&Value> {
        if let Node::Literal(value) = node { Some(value) } else { None }
    }
}

fn fits(style: Style, is_method: bool) -> bool {
    match style {
        Style::Either => true,
        Style::Method => is_method,
        Style::Global => !is_method,
    }
}

fn is_time_and_text(one: Type, two: Type) -> bool {
    let pair = |time, text| matches!(time, Type::Time | Type::Duration) && text == Type::Text;
    pair(one, two) || pair(two, one)
}

/// The type that an operator gives; a message when the operands do not fit it.
fn type_of(operator: Operator, one: Type, two: Type) -> Result<Type, String> {
    let mismatch =
        || format!("`{}` does not take {} and {}", operator.as_str(), one.describe(), two.describe());
    match operator {
        Operator::Equal | Operator::NotEqual if one.may_be(two) => Ok(Type::Bool),
        Operator::Equal | Operator::NotEqual => {
            Err(format!("{} is never equal to {}", one.describe(), two.describe()))
        }
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            let ordered = [Type::Number, Type::Text, Type::Time, Type::Duration];
            let fits = one.may_be(two) && one.may_be_one_of(&ordered) && two.may_be_one_of(&ordered);
            if fits { Ok(Type::Bool) } else { Err(mismatch()) }
        }
        Operator::In => {
            let fits = two.may_be_one_of(&[Type::List, Type::Map]) && one.may_be(two.item());
            if fits { Ok(Type::Bool) } else { Err(mismatch()) }
        }
        Operator::Add | Operator::Subtract => sum(operator, one, two).ok_or_else(mismatch),
        Operator::Multiply | Operator::Divide | Operator::Remainder => {
            let fits = one.may_be(Type::Number) && two.may_be(Type::Number);
            if fits { Ok(Type::Number) } else { Err(mismatch()) }
        }
    }
}

/// The type of `+` and `-`, unless the operands do not fit.
fn sum(operator: Operator, one: Type, two: Type) -> Option<Type> {
    let plus = operator == Operator::Add;
    let is_list = |holds: Type| holds.may_be(Type::List) && holds != Type::Any;
    Some(match (one, two) {
        (Type::Number, Type::Number) => Type::Number,
        (Type::Text, Type::Text) if plus => Type::Text,
        (Type::Duration, Type::Duration) => Type::Duration,
        (Type::Time, Type::Duration) => Type::Time,
        (Type::Duration, Type::Time) if plus => Type::Time,
        (Type::Time, Type::Time) if !plus => Type::Duration,
        (one, two) if plus && is_list(one) && is_list(two) => Type::list_of([one.item(), two.item()]),
        (Type::Any, Type::Bool | Type::Map | Type::Scores)
        | (Type::Bool | Type::Map | Type::Scores, Type::Any) => {
            return None;
        }
        (Type::Any, _) | (_, Type::Any) => Type::Any,
        _ => return None,
    })
}
