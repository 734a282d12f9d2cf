//! The fields that a template names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::expr::{Facts, FieldRef, Value, Variable};

/// The way to a value: `contact.first_name`, `steps["call-now"].outcome`, `entry.utm.source`, `now`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    of: Variable,
    /// None for `now`.
    field: Option<FieldRef>,
    /// What is named inside of the field.
    inside: Vec<Arc<str>>,
}

impl FieldPath {
    /// Reads a path as `requires` of a template writes it; none when it is no field of a variable of templates.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let names: Vec<&str> = text.split('.').collect();
        names.iter().all(|name| is_name(name)).then_some(())?;
        Self::of_names(&names)
    }

    fn of_names(names: &[&str]) -> Option<Self> {
        let (first, names) = names.split_first()?;
        let of = Variable::parse(first).filter(|of| *of != Variable::Event)?;
        match (of, names) {
            (Variable::Now, []) => Some(Self { of, field: None, inside: Vec::new() }),
            (Variable::Now, _) => None,
            (Variable::Steps, [step, name, inside @ ..]) => Some(Self::new(of, Some(step), name, inside)),
            (Variable::Steps, _) => None,
            (_, [name, inside @ ..]) => Some(Self::new(of, None, name, inside)),
            (_, []) => None,
        }
    }

    fn new(of: Variable, step: Option<&str>, name: &str, inside: &[&str]) -> Self {
        let field = FieldRef { of, step: step.map(Into::into), name: name.into() };
        Self { of, field: Some(field), inside: inside.iter().map(|&name| name.into()).collect() }
    }

    /// Its variable.
    #[must_use]
    pub fn variable(&self) -> Variable {
        self.of
    }

    /// Its field; none for `now`.
    #[must_use]
    pub fn field(&self) -> Option<&FieldRef> {
        self.field.as_ref()
    }

    /// What is named inside of the field.
    pub(super) fn inside(&self) -> &[Arc<str>] {
        &self.inside
    }

    /// The value there; none when it is absent or empty, which is the same in a template.
    #[must_use]
    pub fn value(&self, facts: &dyn Facts) -> Option<Value> {
        let Some(field) = &self.field else { return Some(facts.now().into()) };
        let mut value = facts.field(field)?.into_owned();
        for name in &self.inside {
            let Value::Map(fields) = &value else { return None };
            value = fields.get(name.as_ref())?.clone();
        }
        Some(value).filter(|value| !is_blank(value))
    }
}

/// Whether a value counts as absent in a template: nothing in it, or only white space.
pub(super) fn is_blank(value: &Value) -> bool {
    value.as_text().map_or_else(|| value.is_empty(), |text| text.trim().is_empty())
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            None => write!(f, "{}", self.of)?,
            Some(field) => write!(f, "{field}")?,
        }
        self.inside.iter().try_for_each(|name| write!(f, ".{name}"))
    }
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|one| one.is_alphanumeric() || one == '_')
}

/// Paths, and where each is written first.
pub(super) type Paths = BTreeMap<FieldPath, Range<usize>>;

/// What a template names, and where first.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) paths: Paths,
    /// Variables named as a whole: `{{ contact }}`, which has no text.
    pub(super) whole: BTreeMap<String, Range<usize>>,
    /// Names that are no variables.
    pub(super) unknown: BTreeMap<String, Range<usize>>,
}

static TEXT: LazyLock<Regex> = LazyLock::new(|| pattern(r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"#));
static PATH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*|\s*\[\s*(?:"[^"\\]*"|'[^'\\]*')\s*\])*"#)
});
static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r#"[A-Za-z_]\w*|"[^"]*"|'[^']*'"#));

fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("the patterns of this module are constant and tested")
}

impl Names {
    /// Finds the paths in the code of a template. `free` are the names that the template does not bind itself, as the
    /// engine tells them.
    pub(super) fn find(source: &str, free: &BTreeSet<String>) -> Self {
        let mut names = Self::default();
        for code in code_of(source) {
            let text = &source[code.clone()];
            let texts: Vec<Range<usize>> = TEXT.find_iter(text).map(|found| found.range()).collect();
            for found in PATH.find_iter(text) {
                let in_text = texts.iter().any(|one| one.start < found.start() && found.start() < one.end);
                let after_dot = text[..found.start()].trim_end().ends_with(['.', '|']);
                if !in_text && !after_dot {
                    let at = code.start + found.start()..code.start + found.end();
                    names.add(found.as_str(), at, free);
                }
            }
        }
        names
    }

    fn add(&mut self, written: &str, at: Range<usize>, free: &BTreeSet<String>) {
        let parts: Vec<&str> =
            NAME.find_iter(written).map(|part| part.as_str().trim_matches(['"', '\''])).collect();
        let Some(first) = parts.first() else { return };
        if let Some(path) = FieldPath::of_names(&parts) {
            self.paths.entry(path).or_insert(at);
        } else if Variable::parse(first).is_some_and(|of| of != Variable::Event) {
            self.whole.entry((*first).to_owned()).or_insert(at);
        } else if free.contains(*first) {
            // Other words are names of loops and arguments, or belong to the engine.
            self.unknown.entry((*first).to_owned()).or_insert(at);
        }
    }
}

/// The filters that a piece of code applies, with where their names begin.
pub(super) fn filters_in(code: &str) -> Vec<(usize, &str)> {
    static FILTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\|\s*([A-Za-z_]\w*)"));
    let texts: Vec<Range<usize>> = TEXT.find_iter(code).map(|found| found.range()).collect();
    FILTER
        .captures_iter(code)
        .filter_map(|found| found.get(1))
        .filter(|name| !texts.iter().any(|text| text.contains(&name.start())))
        .map(|name| (name.start(), name.as_str()))
        .collect()
}

/// How deep a piece of code may take the engine.
pub(super) struct Shape {
    /// The deepest nesting of brackets.
    pub(super) brackets: usize,
    /// Operators, dots, brackets and words that join values.
    pub(super) links: usize,
}

/// The shape of a piece of code; texts in it do not count.
pub(super) fn shape_of(code: &str) -> Shape {
    static LINK: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"[-+*/%~|.<>=!\[({]|\b(?:not|and|or|in|is|if|else)\b|[\])}]"));
    let texts: Vec<Range<usize>> = TEXT.find_iter(code).map(|found| found.range()).collect();
    let (mut shape, mut open) = (Shape { brackets: 0, links: 0 }, 0_usize);
    for found in LINK.find_iter(code).filter(|found| !texts.iter().any(|text| text.contains(&found.start())))
    {
        match found.as_str() {
            "]" | ")" | "}" => open = open.saturating_sub(1),
            link => {
                shape.links += 1;
                open += usize::from(matches!(link, "[" | "(" | "{"));
                shape.brackets = shape.brackets.max(open);
            }
        }
    }
    shape
}

/// Where a piece of code cuts a part out of a value, `x[1:3]`.
pub(super) fn slice_in(code: &str) -> Option<usize> {
    let texts: Vec<Range<usize>> = TEXT.find_iter(code).map(|found| found.range()).collect();
    let mut open = Vec::new();
    for (at, one) in code.char_indices().filter(|(at, _)| !texts.iter().any(|text| text.contains(at))) {
        match one {
            '[' | '(' | '{' => open.push((at, one)),
            ']' | ')' | '}' => {
                open.pop();
            }
            ':' => {
                if let Some((at, _)) = open.last().filter(|(_, bracket)| *bracket == '[') {
                    return Some(*at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The insides of `{{ }}` and `{% %}`, in order. Comments and raw text have none.
pub(super) fn code_of(source: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|open| at + open) {
        let close = match source.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        let start = open + 2;
        let end = end_of_code(source, start, close);
        if close != "#}" {
            found.push(start..end);
        }
        at = (end + 2).min(source.len());
        if close == "%}" && tag(&source[start..end]) == "raw" {
            at = source[at..].find("endraw").map_or(source.len(), |end| at + end);
            at = source[at..].find("%}").map_or(source.len(), |end| at + end + 2);
        }
    }
    found
}

/// Where code ends; a closing mark inside of a text is none.
fn end_of_code(source: &str, start: usize, close: &str) -> usize {
    let bytes = source.as_bytes();
    let mut quote = None;
    let mut at = start;
    while at < bytes.len() {
        match quote {
            None if source.as_bytes()[at..].starts_with(close.as_bytes()) => return at,
            None if close != "#}" && matches!(bytes[at], b'"' | b'\'') => quote = Some(bytes[at]),
            Some(_) if bytes[at] == b'\\' => at += 1,
            Some(open) if bytes[at] == open => quote = None,
            _ => {}
        }
        at += 1;
    }
    source.len()
}

/// The word that a `{% … %}` begins with.
pub(super) fn tag(code: &str) -> &str {
    let code = code.trim_start_matches(['-', '+']).trim_start();
    let end = code.find(|one: char| !one.is_alphanumeric() && one != '_').unwrap_or(code.len());
    &code[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str) -> Vec<String> {
        Names::find(source, &BTreeSet::new()).paths.into_keys().map(|path| path.to_string()).collect()
    }

    #[test]
    fn paths_are_found_however_they_are_written() {
        for (source, expected) in [
            ("Hi {{ contact.first_name }}", vec!["contact.first_name"]),
            ("{{contact['buying_role']}}", vec!["contact.buying_role"]),
            ("{{ steps[\"call-now\"].outcome }}", vec!["steps[\"call-now\"].outcome"]),
            ("{{ entry.utm.source | default('none') }}", vec!["entry.utm.source"]),
            ("{% if account.name %}{{ now }}{% endif %}", vec!["account.name", "now"]),
            ("contact.us at {# contact.email #} {{ 'contact.email' }}", vec![]),
            ("{% raw %}{{ contact.email }}{% endraw %}{{ contact.phone }}", vec!["contact.phone"]),
            ("{{ '}}' ~ contact.email }}", vec!["contact.email"]),
            ("{{ other.contact.email | contact.x }}", vec![]),
            ("{ {{ contact.email", vec!["contact.email"]),
        ] {
            assert_eq!(paths(source), expected, "{source}");
        }
    }

    #[test]
    fn paths_of_requires_are_read() {
        assert_eq!(FieldPath::parse("contact.company").unwrap().to_string(), "contact.company");
        for text in ["company", "event.form", "contact", "contact.", "contact.a b", "steps.x", "now.x", ""] {
            assert_eq!(FieldPath::parse(text), None, "{text}");
        }
    }
}
