//! Judging an expression, within a budget of work.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::error::EvalNote;
use super::facts::Facts;
use super::node::{Each, EachKind, FieldNode, Node, Operator};
use super::types::Type;
use super::value::{Value, parse_time};

/// Parts judged and elements touched in one judgement, segments included. An ordinary expression needs some dozens.
const MAX_WORK: usize = 50_000;
/// How deep segments may be made of segments.
const MAX_SEGMENTS: usize = 8;
/// The longest text that an expression may build, in bytes.
const MAX_TEXT_BYTES: usize = 16 * 1024;

type Judged<'a> = Result<Cow<'a, Value>, EvalNote>;

/// One judgement under way.
pub(super) struct Judge<'a> {
    facts: &'a dyn Facts,
    work: usize,
    segments: usize,
    locals: Vec<Value>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(facts: &'a dyn Facts) -> Self {
        Self { facts, work: 0, segments: 0, locals: Vec::new() }
    }

    fn spend(&mut self, work: usize) -> Result<(), EvalNote> {
        self.work = self.work.saturating_add(work);
        if self.work > MAX_WORK { Err(EvalNote::cost()) } else { Ok(()) }
    }

    /// The value of a part.
    pub(super) fn value(&mut self, node: &'a Node) -> Judged<'a> {
        self.spend(1)?;
        match node {
            Node::Literal(value) => Ok(Cow::Borrowed(value)),
            Node::Field(field) => self.field(field),
            Node::Now => owned(self.facts.now()),
            Node::Local(index) => {
                // Bound by the comprehension that the reader found around it.
                self.locals
                    .get(*index)
                    .cloned()
                    .map(Cow::Owned)
                    .ok_or_else(|| EvalNote::absent("the element"))
            }
            Node::Member(of, name, path) => {
                let of = self.value(of)?;
                member(of, name).unwrap_or_else(|| Err(EvalNote::absent(path)))
            }
            Node::Index(of, by) => {
                let (of, by) = (self.value(of)?, self.value(by)?);
                index(of, &by)
            }
            Node::HasField(field) => {
                let found = self.facts.field(&field.field);
                owned(found.is_some_and(|value| !value.is_empty()))
            }
            Node::HasMember(of, name) => {
                let found = match self.value(of) {
                    Ok(of) => matches!(member(of, name), Some(Ok(value)) if !value.is_empty()),
                    Err(note) if note.kind == super::error::NoteKind::Absent => false,
                    Err(note) => return Err(note),
                };
                owned(found)
            }
            Node::Not(of) => self.truth(of).and_then(|yes| owned(!yes)),
            Node::And(parts) => self.all(parts).and_then(owned),
            Node::Or(parts) => self.any(parts).and_then(owned),
            Node::If(parts) => {
                let [condition, yes, no] = parts.as_ref();
                if self.truth(condition)? { self.value(yes) } else { self.value(no) }
            }
            Node::Binary(operator, operands) => {
                let [one, two] = operands.as_ref();
                let (one, two) = (self.value(one)?, self.value(two)?);
                self.spend(one.weight() + two.weight())?;
                binary(*operator, &one, &two).map(Cow::Owned)
            }
            Node::Negate(of) => negate(self.value(of)?.as_ref()).map(Cow::Owned),
            Node::List(items) => {
                let items = items.iter().map(|item| self.value(item).map(Cow::into_owned)).collect::<Result<
                    Vec<_>,
                    _,
                >>(
                )?;
                owned(items)
            }
            Node::Map(entries) => {
                let mut fields = BTreeMap::new();
                for (key, value) in entries {
                    let key = self.value(key)?;
                    let key = key.as_text().ok_or_else(|| wrong_type("the key of a map", &key))?.to_owned();
                    fields.insert(key, self.value(value)?.into_owned());
                }
                owned(fields)
            }
            Node::Call(function, arguments) => {
                let values =
                    arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
                self.spend(values.iter().map(|value| value.weight()).sum())?;
                let values: Vec<&Value> = values.iter().map(AsRef::as_ref).collect();
                function.call(&values).map(Cow::Owned)
            }
            Node::Matches(of, pattern) => {
                let of = self.value(of)?;
                let text = of.as_text().ok_or_else(|| wrong_type("what matches is asked of", &of))?;
                self.spend(text.len() / 8)?;
                owned(pattern.is_match(text))
            }
            Node::Segment(name) => self.segment(name).and_then(owned),
            Node::Each(each) => self.each(each),
        }
    }

    /// The truth of a part.
    pub(super) fn truth(&mut self, node: &'a Node) -> Result<bool, EvalNote> {
        let value = self.value(node)?;
        value.as_bool().ok_or_else(|| wrong_type("a condition", &value))
    }

    /// True when all parts are. One that is false decides, whatever the others are, errors too.
    pub(super) fn all(&mut self, parts: &'a [Node]) -> Result<bool, EvalNote> {
        self.decide(parts, false)
    }

    fn any(&mut self, parts: &'a [Node]) -> Result<bool, EvalNote> {
        self.decide(parts, true)
    }

    fn decide(&mut self, parts: &'a [Node], deciding: bool) -> Result<bool, EvalNote> {
        let mut note = None;
        for part in parts {
            match self.truth(part) {
                Ok(yes) if yes == deciding => return Ok(deciding),
                Ok(_) => {}
                Err(error) => {
                    note.get_or_insert(error);
                }
            }
        }
        note.map_or(Ok(!deciding), Err)
    }

    /// A field always exists when its type says what its absence means.
    fn field(&mut self, field: &'a FieldNode) -> Judged<'a> {
        match self.facts.field(&field.field) {
            Some(value) => coerce(value, field),
            None => match field.holds {
                Type::Bool => owned(false),
                Type::Text => owned(""),
                Type::List | Type::Texts | Type::Numbers => owned(Vec::<Value>::new()),
                Type::Map | Type::Scores => owned(BTreeMap::new()),
                Type::Number | Type::Time | Type::Duration | Type::Any => Err(EvalNote::absent(&field.field)),
            },
        }
    }

    fn segment(&mut self, name: &str) -> Result<bool, EvalNote> {
        let Some(segment) = self.facts.segment(name) else {
            return Err(EvalNote::segment(format!("there is no segment `{name}`")));
        };
        if self.segments >= MAX_SEGMENTS {
            return Err(EvalNote::segment(format!(
                "segment `{name}` is made of itself, or of too many others"
            )));
        }
        self.segments += 1;
        let locals = std::mem::take(&mut self.locals);
        let verdict = self.all(segment.nodes());
        self.locals = locals;
        self.segments -= 1;
        verdict
    }

    fn each(&mut self, each: &'a Each) -> Judged<'a> {
        let range = self.value(&each.range)?.into_owned();
        let items: Vec<Value> = match &range {
            Value::List(items) => items.to_vec(),
            Value::Map(fields) => fields.keys().map(|name| Value::text(name)).collect(),
            other => return Err(wrong_type("what has elements", other)),
        };
        let (mut found, mut made, mut note) = (0_usize, Vec::new(), None);
        for item in items {
            self.locals.push(item);
            let outcome = self.element(each);
            self.locals.pop();
            match (each.kind, outcome) {
                (_, Err(error)) if error.kind == super::error::NoteKind::Cost => return Err(error),
                (EachKind::All | EachKind::Exists, Err(error)) => {
                    note.get_or_insert(error);
                }
                (EachKind::ExistsOne | EachKind::Map, Err(error)) => return Err(error),
                (EachKind::All, Ok(Some(Value::Bool(false)))) => return owned(false),
                (EachKind::Exists, Ok(Some(Value::Bool(true)))) => return owned(true),
                (EachKind::ExistsOne, Ok(Some(Value::Bool(true)))) => found += 1,
                (EachKind::Map, Ok(Some(value))) => made.push(value),
                (_, Ok(_)) => {}
            }
        }
        match (each.kind, note) {
            (EachKind::Map, _) => owned(made),
            (EachKind::ExistsOne, _) => owned(found == 1),
            (_, Some(note)) => Err(note),
            (kind, None) => owned(kind == EachKind::All),
        }
    }

    /// What the body makes of the innermost element; none when the element is filtered out.
    fn element(&mut self, each: &'a Each) -> Result<Option<Value>, EvalNote> {
        if let Some(only) = &each.only
            && !self.truth(only)?
        {
            return Ok(None);
        }
        if each.kind == EachKind::Map {
            return self.value(&each.body).map(|value| Some(value.into_owned()));
        }
        self.truth(&each.body).map(|yes| Some(Value::Bool(yes)))
    }
}

fn owned<'a>(value: impl Into<Value>) -> Judged<'a> {
    Ok(Cow::Owned(value.into()))
}

fn wrong_type(role: &str, value: &Value) -> EvalNote {
    EvalNote::of_type(format!("{role} is {}", value.type_name()))
}

/// Makes a stored value one of the field's type: sources send numbers and times as text.
fn coerce<'a>(value: Cow<'a, Value>, field: &FieldNode) -> Judged<'a> {
    let made = match (field.holds, value.as_ref()) {
        (Type::Any, _)
        | (Type::Bool, Value::Bool(_))
        | (Type::Number, Value::Int(_) | Value::Float(_))
        | (Type::Text, Value::Text(_))
        | (Type::Time, Value::Time(_))
        | (Type::Duration, Value::Duration(_))
        | (Type::List | Type::Texts | Type::Numbers, Value::List(_))
        | (Type::Map | Type::Scores, Value::Map(_)) => return Ok(value),
        (Type::Number | Type::Time, Value::Text(text)) if text.is_empty() => {
            return Err(EvalNote::absent(&field.field));
        }
        (Type::Number, Value::Text(text)) => number(text),
        (Type::Time, Value::Text(text)) => parse_time(text).map(Value::Time),
        (Type::Bool, Value::Text(text)) => match text.as_ref() {
            "true" => Some(Value::Bool(true)),
            "false" | "" => Some(Value::Bool(false)),
            _ => None,
        },
        (Type::Text, Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Time(_)) => {
            Some(Value::from(value.to_string()))
        }
        (Type::List | Type::Texts, Value::Text(text)) if text.is_empty() => {
            Some(Value::from(Vec::<Value>::new()))
        }
        (Type::List | Type::Texts, Value::Text(_)) => Some(Value::from(vec![value.as_ref().clone()])),
        _ => None,
    };
    made.map(Cow::Owned).ok_or_else(|| {
        EvalNote::of_type(format!("{} is {}, not {}", field.field, value.type_name(), field.holds.describe()))
    })
}

fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let finite = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    text.parse::<i64>().map(Value::Int).ok().or_else(|| finite(text).map(Value::Float))
}

/// `map.name`; none when the map has no such name.
fn member<'a>(of: Cow<'a, Value>, name: &str) -> Option<Judged<'a>> {
    match of {
        Cow::Borrowed(Value::Map(fields)) => fields.get(name).map(|value| Ok(Cow::Borrowed(value))),
        Cow::Owned(Value::Map(fields)) => fields.get(name).map(|value| Ok(Cow::Owned(value.clone()))),
        other => Some(Err(wrong_type(&format!("what `{name}` is a field of"), &other))),
    }
}

fn index<'a>(of: Cow<'a, Value>, by: &Value) -> Judged<'a> {
    match (of.as_ref(), by) {
        (Value::Map(_), Value::Text(name)) => {
            member(of, name).unwrap_or_else(|| Err(EvalNote::absent(format_args!("`{name}`"))))
        }
        (Value::List(items), Value::Int(position)) => usize::try_from(*position)
            .ok()
            .and_then(|position| items.get(position))
            .map(|item| Cow::Owned(item.clone()))
            .ok_or_else(|| EvalNote::absent(format_args!("element {position}"))),
        _ => Err(EvalNote::of_type(format!("{} has no element {}", of.type_name(), by.type_name()))),
    }
}

fn binary(operator: Operator, one: &Value, two: &Value) -> Result<Value, EvalNote> {
    let mismatch = || {
        let (one, two) = (one.type_name(), two.type_name());
        EvalNote::of_type(format!("`{}` does not take {one} and {two}", operator.as_str()))
    };
    let order = |wanted: fn(Ordering) -> bool| {
        one.order(two).map(|order| Value::Bool(wanted(order))).ok_or_else(mismatch)
    };
    match operator {
        Operator::Equal => Ok(one.equals(two).into()),
        Operator::NotEqual => Ok((!one.equals(two)).into()),
        Operator::Less => order(Ordering::is_lt),
        Operator::LessOrEqual => order(Ordering::is_le),
        Operator::Greater => order(Ordering::is_gt),
        Operator::GreaterOrEqual => order(Ordering::is_ge),
        Operator::In => match (one, two) {
            (_, Value::List(items)) => Ok(items.iter().any(|item| item.equals(one)).into()),
            (Value::Text(name), Value::Map(fields)) => Ok(fields.contains_key(name.as_ref()).into()),
            _ => Err(mismatch()),
        },
        _ => arithmetic(operator, one, two).unwrap_or_else(|| Err(mismatch())),
    }
}

/// None when the operands do not fit.
fn arithmetic(operator: Operator, one: &Value, two: &Value) -> Option<Result<Value, EvalNote>> {
    let overflow = || EvalNote::value("the result is out of range".into());
    let made = match (operator, one, two) {
        (_, Value::Int(one), Value::Int(two)) => {
            if matches!(operator, Operator::Divide | Operator::Remainder) && *two == 0 {
                return Some(Err(EvalNote::value("a division by zero".into())));
            }
            let made = match operator {
                Operator::Add => one.checked_add(*two),
                Operator::Subtract => one.checked_sub(*two),
                Operator::Multiply => one.checked_mul(*two),
                Operator::Divide => one.checked_div(*two),
                _ => one.checked_rem(*two),
            };
            made.map(Value::Int)
        }
        (_, Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            let (one, two) = (as_float(one)?, as_float(two)?);
            let made = match operator {
                Operator::Add => one + two,
                Operator::Subtract => one - two,
                Operator::Multiply => one * two,
                Operator::Divide => one / two,
                _ => one % two,
            };
            Some(Value::Float(made)).filter(|_| made.is_finite())
        }
        (Operator::Add, Value::Text(one), Value::Text(two)) => {
            if one.len() + two.len() > MAX_TEXT_BYTES {
                return Some(Err(EvalNote::cost()));
            }
            Some(Value::from(format!("{one}{two}")))
        }
        (Operator::Add, Value::List(one), Value::List(two)) => {
            Some(Value::List(one.iter().chain(two.iter()).cloned().collect()))
        }
        (Operator::Add, Value::Duration(one), Value::Duration(two)) => {
            one.checked_add(*two).map(Value::Duration)
        }
        (Operator::Subtract, Value::Duration(one), Value::Duration(two)) => {
            one.checked_sub(*two).map(Value::Duration)
        }
        (Operator::Add, Value::Time(at), Value::Duration(length))
        | (Operator::Add, Value::Duration(length), Value::Time(at)) => {
            at.checked_add(*length).ok().map(Value::Time)
        }
        (Operator::Subtract, Value::Time(at), Value::Duration(length)) => {
            at.checked_sub(*length).ok().map(Value::Time)
        }
        (Operator::Subtract, Value::Time(one), Value::Time(two)) => {
            Some(Value::Duration(one.duration_since(*two)))
        }
        _ => return None,
    };
    Some(made.ok_or_else(overflow))
}

#[expect(clippy::cast_precision_loss, reason = "mixed arithmetic is that of doubles")]
fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

fn negate(value: &Value) -> Result<Value, EvalNote> {
    match value {
        Value::Int(number) => number
            .checked_neg()
            .map(Value::Int)
            .ok_or_else(|| EvalNote::value("the result is out of range".into())),
        Value::Float(number) => Ok(Value::Float(-number)),
        Value::Duration(length) => length
            .checked_neg()
            .map(Value::Duration)
            .ok_or_else(|| EvalNote::value("the result is out of range".into())),
        other => Err(wrong_type("what has a sign", other)),
    }
}
