//! Templates: the text of a touch, made of the fields of a contact.
//!
//! The engine is MiniJinja, which is used nowhere else in the domain, with a short list of filters and with `if` and `for`
//! as its only statements: a template cannot include, set, loop without end, or grow without bound. An absent or empty
//! field is undefined, so that `default` applies; without one the rendering fails and names the field, because a gap in a
//! message is worse than a message that waits.
//!
//! This module never does I/O and never reads a clock.

mod check;
mod context;
mod filters;
mod paths;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};

use minijinja::{AutoEscape, Environment, ErrorKind};
use serde::{Deserialize, Serialize, Serializer};

use crate::expr::{Facts, Scope};
use check::Place;
pub use paths::FieldPath;
use paths::Names;

/// The longest source, in bytes.
pub const MAX_SOURCE_BYTES: usize = 64 * 1024;
/// The longest rendering, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 256 * 1024;

/// What a template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Plain text; values are put in as they are.
    Text,
    /// HTML; values are escaped.
    Html,
    /// One line of plain text: line breaks and other control characters become spaces, so that no value of a contact can
    /// add a mail header.
    Line,
}

/// A template that can be rendered. Cheap to clone; equal when made of the same name, source and format.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

struct Compiled {
    name: String,
    source: String,
    format: Format,
    env: Environment<'static>,
    names: Names,
    required: BTreeSet<FieldPath>,
}

/// A template that cannot be, or (as a warning) one that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// The template.
    pub name: String,
    /// The line in its source, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.name, self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

/// Why a rendering failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RenderError {
    /// A field is absent or empty and has no default: set the field, or give it one.
    #[error("{0} is missing")]
    MissingField(String),
    /// A value does not suit what the template does with it.
    #[error("line {line}: {message}")]
    Unsuitable {
        /// The line in the source, from 1.
        line: usize,
        /// What does not suit.
        message: String,
    },
    /// It makes more work than a template may.
    #[error("the template makes too much work")]
    TooMuchWork,
    /// The text is too long.
    #[error("the text is longer than {MAX_OUTPUT_BYTES} bytes")]
    TooLong,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// A [`TemplateError`] with its place: a syntax error, an unknown variable or filter, a statement that templates do not
    /// have, too long a source.
    pub fn compile(name: &str, source: &str, format: Format) -> Result<Self, TemplateError> {
        let place = Place { name, source };
        if source.len() > MAX_SOURCE_BYTES {
            return Err(place.error(
                0..0,
                format!("the template is longer than {MAX_SOURCE_BYTES} bytes"),
                None,
            ));
        }
        place.check_tags()?;
        place.check_depth()?;
        let mut env = base(format).clone();
        env.add_template_owned(name.to_owned(), source.to_owned()).map_err(|error| place.syntax(&error))?;
        let free: BTreeSet<String> = env
            .get_template(name)
            .map_err(|error| place.syntax(&error))?
            .undeclared_variables(false)
            .into_iter()
            .collect();
        let names = Names::find(source, &free);
        place.check_names(&names)?;
        place.check_filters()?;
        let mut compiled = Compiled {
            name: name.to_owned(),
            source: source.to_owned(),
            format,
            env,
            names,
            required: BTreeSet::new(),
        };
        compiled.required = compiled.find_required();
        Ok(Self(Arc::new(compiled)))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its source.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// What it makes.
    #[must_use]
    pub fn format(&self) -> Format {
        self.0.format
    }

    /// The fields that it names.
    pub fn fields(&self) -> impl Iterator<Item = &FieldPath> {
        self.0.names.paths.keys()
    }

    /// The fields without which it cannot be rendered: those used without a default outside of a branch that asks for them.
    /// Found by trying; the rendering itself has the last word.
    pub fn required(&self) -> impl Iterator<Item = &FieldPath> {
        self.0.required.iter()
    }

    /// Checks the fields that it names against those that exist; what is only probably a slip comes back as warnings. Of the
    /// scope the declared fields and the steps count.
    ///
    /// # Errors
    ///
    /// A [`TemplateError`] for a field that does not exist.
    pub fn check(&self, scope: &Scope<'_>) -> Result<Vec<TemplateError>, TemplateError> {
        let place = Place { name: &self.0.name, source: &self.0.source };
        let mut warnings = Vec::new();
        for (path, at) in &self.0.names.paths {
            if let Some(found) = place.check_path(path, at, scope)? {
                warnings.push(found);
            }
        }
        Ok(warnings)
    }

    /// Renders it.
    ///
    /// # Errors
    ///
    /// [`RenderError::MissingField`] for a field that is absent or empty and has no default; the others when values do not
    /// suit, or when the text or the work grows too large.
    pub fn render(&self, facts: &dyn Facts) -> Result<String, RenderError> {
        let compiled = &self.0;
        let context = context::of_facts(&compiled.names.paths, facts);
        let rendered = compiled.run(context).map_err(|failure| compiled.explain(&failure, facts))?;
        Ok(match compiled.format {
            Format::Text | Format::Html => rendered,
            Format::Line => one_line(&rendered),
        })
    }
}

impl Compiled {
    fn run(&self, context: minijinja::Value) -> Result<String, minijinja::Error> {
        let mut out = Bounded(Vec::new());
        self.env.get_template(&self.name)?.render_captured_to(context, &mut out)?;
        String::from_utf8(out.0).map_err(|_| ErrorKind::WriteFailure.into())
    }

    fn find_required(&self) -> BTreeSet<FieldPath> {
        let paths = &self.names.paths;
        paths
            .keys()
            .filter(|path| {
                let failed = self.run(context::without(paths, path)).err();
                failed.is_some_and(|error| {
                    error.kind() == ErrorKind::UndefinedError || self.names_path(&error, path)
                })
            })
            .cloned()
            .collect()
    }

    /// Whether an error arose where a path is written.
    fn names_path(&self, error: &minijinja::Error, path: &FieldPath) -> bool {
        let Some(range) = error.range() else { return false };
        self.source.get(range).is_some_and(|code| mentions(code, path))
    }

    fn explain(&self, error: &minijinja::Error, facts: &dyn Facts) -> RenderError {
        match error.kind() {
            ErrorKind::OutOfFuel => return RenderError::TooMuchWork,
            ErrorKind::WriteFailure => return RenderError::TooLong,
            _ => {}
        }
        let missing: Vec<&FieldPath> =
            self.names.paths.keys().filter(|path| path.value(facts).is_none()).collect();
        let named = missing.iter().find(|path| self.names_path(error, path));
        // Only what is undefined is undefined: when the place tells nothing, the first field that is missing does.
        let first = missing.first().filter(|_| error.kind() == ErrorKind::UndefinedError);
        if let Some(path) = named.or(first) {
            return RenderError::MissingField(path.to_string());
        }
        let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        RenderError::Unsuitable { line: error.line().unwrap_or(1), message }
    }
}

/// Whether a piece of code names a path.
fn mentions(code: &str, path: &FieldPath) -> bool {
    Names::find(&format!("{{{{{code}}}}}"), &BTreeSet::new()).paths.contains_key(path)
}

/// The environment of a format, made once.
fn base(format: Format) -> &'static Environment<'static> {
    static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(|| filters::environment(AutoEscape::None));
    static HTML: LazyLock<Environment<'static>> = LazyLock::new(|| filters::environment(AutoEscape::Html));
    match format {
        Format::Text | Format::Line => &PLAIN,
        Format::Html => &HTML,
    }
}

/// Runs of white space and control characters become one space.
fn one_line(text: &str) -> String {
    let parts = text.split(|one: char| one.is_whitespace() || one.is_control());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl io::Write for &mut Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name && self.0.source == other.0.source && self.0.format == other.0.format
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?}, {:?})", self.0.name, self.0.source)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.source)
    }
}
