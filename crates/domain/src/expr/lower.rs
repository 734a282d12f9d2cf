//! From the syntax tree to what is judged: names and types are checked on the way.

use std::ops::Range;
use std::sync::Arc;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators,
};

use super::error::ExprError;
use super::facts::FieldRef;
use super::node::{Each, EachKind, FieldNode, Node, Operator};
use super::parse::Parsed;
use super::schema::{Field, Others, Variable, nearest};
use super::scope::Scope;
use super::types::Type;
use super::value::Value;

/// How deep comprehensions may nest: each level multiplies the work.
const MAX_COMPREHENSIONS: usize = 2;

pub(super) type Typed = (Node, Type);

/// Checks and translates one expression.
pub(super) struct Lowering<'s> {
    pub(super) parsed: &'s Parsed<'s>,
    pub(super) scope: Scope<'s>,
    pub(super) warnings: Vec<ExprError>,
    /// Variables of the comprehensions around, outermost first.
    locals: Vec<(String, Type)>,
}

impl<'s> Lowering<'s> {
    pub(super) fn new(parsed: &'s Parsed<'s>, scope: Scope<'s>) -> Self {
        Self { parsed, scope, warnings: Vec::new(), locals: Vec::new() }
    }

    pub(super) fn at(&self, expr: &IdedExpr) -> Range<usize> {
        self.parsed.range(expr)
    }

    pub(super) fn error(&self, expr: &IdedExpr, message: impl Into<String>) -> ExprError {
        ExprError::new(self.at(expr), message)
    }

    /// Translates a part.
    pub(super) fn lower(&mut self, expr: &IdedExpr) -> Result<Typed, ExprError> {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(name) => self.ident(expr, name),
            Expr::Select(select) => self.select(expr, select),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => {
                let items =
                    list.elements.iter().map(|item| self.lower(item)).collect::<Result<Vec<_>, _>>()?;
                let holds = Type::list_of(items.iter().map(|(_, holds)| *holds));
                Ok((Node::List(items.into_iter().map(|(node, _)| node).collect()), holds))
            }
            Expr::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err(self.error(expr, "messages cannot be built here"));
                    };
                    let key = self.expect(&entry.key, &[Type::Text], "the key of a map")?;
                    entries.push((key, self.lower(&entry.value)?.0));
                }
                Ok((Node::Map(entries), Type::Map))
            }
            Expr::Comprehension(each) => self.comprehension(expr, each),
            Expr::Struct(_) => Err(self.error(expr, "messages cannot be built here")),
            Expr::Unspecified => Err(self.error(expr, "the expression cannot be read")),
        }
    }

    /// Translates a part that must be of certain types.
    pub(super) fn expect(&mut self, expr: &IdedExpr, types: &[Type], role: &str) -> Result<Node, ExprError> {
        let (node, holds) = self.lower(expr)?;
        if holds.may_be_one_of(types) {
            return Ok(node);
        }
        let wanted: Vec<_> = types.iter().map(|one| one.describe()).collect();
        let message = format!("{role} is {}, not {}", holds.describe(), wanted.join(" or "));
        Err(self.error(expr, message))
    }

    fn literal(&self, expr: &IdedExpr, literal: &LiteralValue) -> Result<Typed, ExprError> {
        let (value, holds) = match literal {
            LiteralValue::Boolean(yes) => (Value::Bool(*yes.inner()), Type::Bool),
            LiteralValue::Int(number) => (Value::Int(*number.inner()), Type::Number),
            LiteralValue::Double(number) => (Value::Float(*number.inner()), Type::Number),
            LiteralValue::UInt(number) => {
                let number = i64::try_from(*number.inner())
                    .map_err(|_| self.error(expr, "the number is out of range"))?;
                (Value::Int(number), Type::Number)
            }
            LiteralValue::String(text) => (Value::text(text.inner()), Type::Text),
            LiteralValue::Null => {
                return Err(self
                    .error(expr, "there is no null: an absent text is \"\", an absent list is empty")
                    .hint("ask with has(contact.score)"));
            }
            LiteralValue::Bytes(_) => return Err(self.error(expr, "there are no bytes here")),
        };
        Ok((Node::Literal(value), holds))
    }

    fn ident(&self, expr: &IdedExpr, name: &str) -> Result<Typed, ExprError> {
        if let Some((index, holds)) = self.local(name) {
            return Ok((Node::Local(index), holds));
        }
        match self.variable(expr, name)? {
            Variable::Now => Ok((Node::Now, Type::Time)),
            variable => {
                let example = variable.fields().first().map_or("amount", |field| field.name);
                let example = match variable {
                    Variable::Steps => "steps[\"call-now\"].outcome".to_owned(),
                    _ => format!("{variable}.{example}"),
                };
                Err(self
                    .error(expr, format!("`{variable}` is no value of its own"))
                    .hint(format!("name one of its fields, such as {example}")))
            }
        }
    }

    fn local(&self, name: &str) -> Option<(usize, Type)> {
        self.locals.iter().rposition(|(local, _)| local == name).map(|index| (index, self.locals[index].1))
    }

    /// The variable of a name, if it may be named here.
    fn variable(&self, expr: &IdedExpr, name: &str) -> Result<Variable, ExprError> {
        let available = self.scope.position.variables();
        match Variable::parse(name) {
            Some(variable) if available.contains(&variable) => Ok(variable),
            Some(variable) => {
                let place = self.scope.position.describe();
                let hint = match variable {
                    Variable::Event if available.contains(&Variable::Entry) => {
                        "the enrolling event is `entry`"
                    }
                    Variable::Event => "no event is at hand there",
                    Variable::Entry if available.contains(&Variable::Event) => "the event at hand is `event`",
                    _ => "there is no enrollment yet, or none that is meant",
                };
                Err(self.error(expr, format!("`{variable}` is not known in {place}")).hint(hint))
            }
            None => {
                let names = available.iter().map(|variable| variable.as_str());
                let near = nearest(name, names.clone());
                let error = self.error(expr, format!("unknown variable `{name}`"));
                Err(match near {
                    Some(_) => error.nearest(near),
                    None if name == "true" || name == "false" => error,
                    None => error.hint(format!(
                        "variables are {}; text is written in quotes",
                        names.collect::<Vec<_>>().join(", ")
                    )),
                })
            }
        }
    }

    /// The variable that an operand names, unless a comprehension's variable hides it.
    fn as_variable(&self, operand: &IdedExpr) -> Result<Option<Variable>, ExprError> {
        match &operand.expr {
            Expr::Ident(name) if self.local(name).is_none() => self.variable(operand, name).map(Some),
            _ => Ok(None),
        }
    }

    /// `operand.field` and `has(operand.field)`.
    fn select(&mut self, expr: &IdedExpr, select: &SelectExpr) -> Result<Typed, ExprError> {
        // A selection is placed at its dot; show the name after it.
        let dot = self.parsed.token(expr).start;
        let at = dot + 1..self.at(expr).end;
        let field = match self.as_variable(&select.operand)? {
            Some(Variable::Steps) => {
                return Err(ExprError::new(at, "a field of the step is missing")
                    .hint(format!("name it: steps[\"{}\"].outcome", select.field)));
            }
            Some(variable) => Some(self.field(variable, &select.field, at.clone())?),
            None => {
                self.step(&select.operand)?.map(|step| step_field(step, &select.field, at)).transpose()?
            }
        };
        if let Some(field) = field {
            let holds = field.holds;
            let node = if select.test { Node::HasField(field) } else { Node::Field(field) };
            return Ok((node, if select.test { Type::Bool } else { holds }));
        }
        let (operand, holds) = self.lower(&select.operand)?;
        if !holds.may_be(Type::Map) {
            let message = format!("{} has no fields", holds.describe());
            return Err(self.error(expr, message));
        }
        let name: Arc<str> = select.field.as_str().into();
        if select.test {
            return Ok((Node::HasMember(Box::new(operand), name), Type::Bool));
        }
        let path: Arc<str> = match &operand {
            Node::Field(field) => format!("{}.{name}", field.field).into(),
            Node::Member(_, _, path) => format!("{path}.{name}").into(),
            _ => name.clone(),
        };
        Ok((Node::Member(Box::new(operand), name, path), holds.member()))
    }

    /// The id in `steps["id"]` and `steps.id`.
    fn step<'e>(&self, expr: &'e IdedExpr) -> Result<Option<&'e str>, ExprError> {
        let (operand, id) = match &expr.expr {
            Expr::Select(select) if !select.test => (select.operand.as_ref(), Some(select.field.as_str())),
            Expr::Call(CallExpr { func_name, args, .. }) if func_name == operators::INDEX => {
                let [operand, index] = args.as_slice() else { return Ok(None) };
                (operand, literal_text(index))
            }
            _ => return Ok(None),
        };
        let is_steps = matches!(&operand.expr, Expr::Ident(name) if name == Variable::Steps.as_str());
        if !is_steps || self.as_variable(operand)? != Some(Variable::Steps) {
            return Ok(None);
        }
        let id = id.ok_or_else(|| self.error(expr, "the id of a step is written out, in quotes"))?;
        if let Some(known) = self.scope.steps.filter(|known| !known.contains(&id)) {
            let error = self.error(expr, format!("unknown step `{id}`"));
            return Err(error.nearest(nearest(id, known.iter().copied())));
        }
        Ok(Some(id))
    }

    /// A field of a variable: built in, declared, or free.
    fn field(&mut self, of: Variable, name: &str, at: Range<usize>) -> Result<FieldNode, ExprError> {
        let declared = self.scope.declared.and_then(|fields| fields.field(of, name, self.kind_of(of)));
        let built_in = of.field(name);
        let holds = match (declared, built_in) {
            (Some(declared), _) => declared.into(),
            // The one map whose values are known.
            (None, Some(field)) if of == Variable::Contact && field.name == "scores" => Type::Scores,
            (None, Some(field)) => field.holds.into(),
            (None, None) if of == Variable::Event && name == "data" => Type::Map,
            (None, None) if of == Variable::Entry && name == "data" => Type::Map,
            (None, None) => self.undeclared(of, name, at)?,
        };
        Ok(FieldNode { field: FieldRef { of, step: None, name: name.into() }, holds })
    }

    fn kind_of(&self, of: Variable) -> Option<&'s str> {
        self.scope.event_kind.filter(|_| of == Variable::Event)
    }

    fn undeclared(&mut self, of: Variable, name: &str, at: Range<usize>) -> Result<Type, ExprError> {
        let built_in = || of.fields().iter().map(|field| field.name);
        let declared = self.scope.declared.into_iter().flat_map(|fields| fields.names(of));
        match of.others() {
            Others::None => return Err(unknown_field(&format!("`{of}`"), name, at, of.fields())),
            Others::Declared => {
                if let Some(near) = nearest(name, built_in().chain(declared)) {
                    let message = format!("unknown field `{of}.{name}`");
                    return Err(ExprError::new(at, message).hint(format!(
                        "did you mean `{of}.{near}`? If it is yours, declare it in a Fields file"
                    )));
                }
                self.warnings.push(
                    ExprError::new(at, format!("`{of}.{name}` is not declared"))
                        .hint("declare it in a Fields file, so that its type can be checked"),
                );
            }
            Others::Free => {
                // Sources send what they like, so a near name is only probably a slip.
                if let Some(near) = nearest(name, built_in().chain(declared)) {
                    self.warnings.push(
                        ExprError::new(at, format!("`{of}.{name}` is close to a known field"))
                            .hint(format!("did you mean `{of}.{near}`?")),
                    );
                }
            }
        }
        Ok(Type::Any)
    }

    /// `x[y]`.
    pub(super) fn index(&mut self, expr: &IdedExpr, args: &[IdedExpr]) -> Result<Typed, ExprError> {
        let [operand, index] = args else { return Err(self.error(expr, "an index is one value")) };
        if let Some(variable) = self.as_variable(operand)? {
            let Some(name) = literal_text(index) else {
                return Err(self.error(index, format!("a field of `{variable}` is written out, in quotes")));
            };
            if variable == Variable::Steps {
                return Err(self
                    .error(expr, "a field of the step is missing")
                    .hint(format!("name it: steps[\"{name}\"].outcome")));
            }
            let field = self.field(variable, name, self.at(index))?;
            let holds = field.holds;
            return Ok((Node::Field(field), holds));
        }
        let (of, holds) = self.lower(operand)?;
        let types: &[Type] = match holds {
            Type::Map | Type::Scores => &[Type::Text],
            Type::List | Type::Texts | Type::Numbers => &[Type::Number],
            Type::Any => &[Type::Text, Type::Number],
            other => return Err(self.error(expr, format!("{} has no elements", other.describe()))),
        };
        let by = self.expect(index, types, "the index")?;
        Ok((Node::Index(Box::new(of), Box::new(by)), holds.member()))
    }

    /// `all`, `exists`, `exists_one`, `map` and `filter`, recognised by what their macros make.
    fn comprehension(&mut self, expr: &IdedExpr, each: &ComprehensionExpr) -> Result<Typed, ExprError> {
        let (range, holds) = self.lower(&each.iter_range)?;
        if !holds.may_be_one_of(&[Type::List, Type::Map]) {
            return Err(self.error(&each.iter_range, format!("{} has no elements", holds.describe())));
        }
        if self.locals.len() >= MAX_COMPREHENSIONS {
            return Err(self.error(expr, "comprehensions nest at most two deep"));
        }
        let unknown = || self.error(expr, "this comprehension is not supported");
        let Expr::Call(step) = &each.loop_step.expr else { return Err(unknown()) };
        let (kind, only, body) = match (&each.accu_init.expr, step.args.as_slice()) {
            (Expr::Literal(LiteralValue::Boolean(start)), [_, body]) => {
                (if *start.inner() { EachKind::All } else { EachKind::Exists }, None, body)
            }
            (Expr::Literal(LiteralValue::Int(_)), [body, ..]) => (EachKind::ExistsOne, None, body),
            (Expr::List(_), [only, added, _]) => {
                (EachKind::Map, Some(only), appended(added).ok_or_else(unknown)?)
            }
            (Expr::List(_), [_, _]) => (EachKind::Map, None, appended(&each.loop_step).ok_or_else(unknown)?),
            _ => return Err(unknown()),
        };
        self.locals.push((each.iter_var.clone(), holds.item()));
        let lowered = self.each_body(kind, only, body);
        self.locals.pop();
        let (only, body, holds) = lowered?;
        Ok((Node::Each(Box::new(Each { kind, range, only, body })), holds))
    }

    fn each_body(
        &mut self,
        kind: EachKind,
        only: Option<&IdedExpr>,
        body: &IdedExpr,
    ) -> Result<(Option<Node>, Node, Type), ExprError> {
        let only =
            only.map(|only| self.expect(only, &[Type::Bool], "the condition of an element")).transpose()?;
        if kind == EachKind::Map {
            let (body, holds) = self.lower(body)?;
            return Ok((only, body, Type::list_of([holds])));
        }
        let body = self.expect(body, &[Type::Bool], "the condition of an element")?;
        Ok((only, body, Type::Bool))
    }

    /// Warns of a text that a field never is.
    pub(super) fn check_choice(&mut self, field: &IdedExpr, text: &IdedExpr) {
        let Some(choices) = choices(field) else { return };
        let texts: Vec<&IdedExpr> = match &text.expr {
            Expr::List(list) => list.elements.iter().collect(),
            _ => vec![text],
        };
        for one in texts {
            let Some(written) = literal_text(one).filter(|written| !written.is_empty()) else { continue };
            if choices.one_of.contains(&written) {
                continue;
            }
            let warning = self.error(one, format!("`{}` is never `{written}`", choices.name));
            let warning = match nearest(written, choices.one_of.iter().copied()) {
                Some(near) => warning.nearest(Some(near)),
                None => warning.hint(format!("it is one of {}", choices.one_of.join(", "))),
            };
            self.warnings.push(warning);
        }
    }

    /// The operator of a call, when it is one of two operands.
    pub(super) fn operator(name: &str) -> Option<Operator> {
        Some(match name {
            operators::EQUALS => Operator::Equal,
            operators::NOT_EQUALS => Operator::NotEqual,
            operators::LESS => Operator::Less,
            operators::LESS_EQUALS => Operator::LessOrEqual,
            operators::GREATER => Operator::Greater,
            operators::GREATER_EQUALS => Operator::GreaterOrEqual,
            operators::IN => Operator::In,
            operators::ADD => Operator::Add,
            operators::SUBSTRACT => Operator::Subtract,
            operators::MULTIPLY => Operator::Multiply,
            operators::DIVIDE => Operator::Divide,
            operators::MODULO => Operator::Remainder,
            _ => return None,
        })
    }
}

fn step_field(step: &str, name: &str, at: Range<usize>) -> Result<FieldNode, ExprError> {
    let Some(known) = Variable::Steps.field(name) else {
        return Err(unknown_field("a step", name, at, Variable::Steps.fields()));
    };
    Ok(FieldNode {
        field: FieldRef { of: Variable::Steps, step: Some(step.into()), name: name.into() },
        holds: known.holds.into(),
    })
}

/// The built-in field that an operand names, when it can only be some texts.
fn choices(expr: &IdedExpr) -> Option<&'static Field> {
    let Expr::Select(select) = &expr.expr else { return None };
    let Expr::Ident(variable) = &select.operand.expr else { return None };
    Variable::parse(variable)?.field(&select.field).filter(|field| !field.one_of.is_empty())
}

/// The element in `@result + [element]`.
fn appended(step: &IdedExpr) -> Option<&IdedExpr> {
    let Expr::Call(call) = &step.expr else { return None };
    let Expr::List(list) = &call.args.get(1)?.expr else { return None };
    list.elements.first()
}

/// The text of a text literal.
pub(super) fn literal_text(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn unknown_field(of: &str, name: &str, at: Range<usize>, known: &[Field]) -> ExprError {
    let error = ExprError::new(at, format!("{of} has no field `{name}`"));
    match nearest(name, known.iter().map(|field| field.name)) {
        Some(near) => error.nearest(Some(near)),
        None => {
            let names: Vec<_> = known.iter().map(|field| field.name).collect();
            error.hint(format!("it has {}", names.join(", ")))
        }
    }
}
