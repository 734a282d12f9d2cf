//! Checks of a template before it is rendered.

use std::ops::Range;

use super::TemplateError;
use super::filters;
use super::paths::{self, FieldPath, Names, code_of, tag};
use crate::expr::Scope;
use crate::expr::schema::{Others, Variable, nearest};

/// The statements of templates.
const TAGS: [&str; 8] = ["if", "elif", "else", "endif", "for", "endfor", "raw", "endraw"];

/// How deep brackets may nest in one piece of code, how many operators may follow one another there, and how deep
/// statements may nest, an `elif` counting like another `if`: the engine recurses at each. Together they fit in half of a
/// thread's stack in a build without optimisation.
const MAX_BRACKETS: usize = 16;
const MAX_LINKS: usize = 128;
const MAX_BLOCKS: usize = 64;

/// A source, for telling places in it.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    pub(super) source: &'a str,
}

impl Place<'_> {
    pub(super) fn error(
        &self,
        at: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> TemplateError {
        let before = &self.source[..at.start.min(self.source.len())];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        TemplateError {
            name: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
            hint,
        }
    }

    pub(super) fn syntax(&self, error: &minijinja::Error) -> TemplateError {
        let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let at = error.range().unwrap_or_else(|| {
            let line = error.line().unwrap_or(1).saturating_sub(1);
            let start = self.source.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
            start..start
        });
        let start =
            (0..=at.start.min(self.source.len())).rev().find(|byte| self.source.is_char_boundary(*byte));
        let start = start.unwrap_or(0);
        self.error(start..start, message, None)
    }

    pub(super) fn check_tags(&self) -> Result<(), TemplateError> {
        for code in code_of(self.source) {
            if !self.source[..code.start].ends_with("{%") {
                continue;
            }
            let tag = tag(&self.source[code.clone()]);
            if !TAGS.contains(&tag) {
                let message = format!("templates have no `{tag}`");
                let hint = "statements are if, elif, else, endif, for, endfor, raw and endraw".to_owned();
                return Err(self.error(code.start - 2..code.end, message, Some(hint)));
            }
        }
        Ok(())
    }

    /// Refuses what would make the engine recurse too deep.
    pub(super) fn check_depth(&self) -> Result<(), TemplateError> {
        let mut blocks: Vec<usize> = Vec::new();
        for code in code_of(self.source) {
            let text = &self.source[code.clone()];
            let shape = paths::shape_of(text);
            if self.source[..code.start].ends_with("{%") {
                match tag(text) {
                    "if" | "for" => blocks.push(1),
                    "elif" => {
                        if let Some(block) = blocks.last_mut() {
                            *block += 1;
                        }
                    }
                    "endif" | "endfor" => {
                        blocks.pop();
                    }
                    _ => {}
                }
            }
            if shape.brackets > MAX_BRACKETS
                || shape.links > MAX_LINKS
                || blocks.iter().sum::<usize>() > MAX_BLOCKS
            {
                return Err(self.error(code, "the template is nested too deeply", None));
            }
        }
        Ok(())
    }

    pub(super) fn check_names(&self, names: &Names) -> Result<(), TemplateError> {
        if let Some((name, at)) = names.unknown.iter().next() {
            let (message, hint) = match Variable::parse(name) {
                Some(Variable::Event) => (
                    "`event` is not known in a template".to_owned(),
                    "the enrolling event is `entry`".to_owned(),
                ),
                _ => {
                    let known =
                        Variable::ALL.into_iter().filter(|of| *of != Variable::Event).map(Variable::as_str);
                    let hint = match nearest(name, known.clone()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("variables are {}", known.collect::<Vec<_>>().join(", ")),
                    };
                    (format!("unknown variable `{name}`"), hint)
                }
            };
            return Err(self.error(at.clone(), message, Some(hint)));
        }
        if let Some((name, at)) = names.whole.iter().next() {
            let example = if name == "steps" { "steps[\"call-now\"].outcome" } else { "contact.first_name" };
            let message = format!("`{name}` is no text of its own");
            return Err(self.error(at.clone(), message, Some(format!("name a field, such as {example}"))));
        }
        Ok(())
    }

    /// The engine finds an unknown filter only when it comes to it, and takes a slice of what is missing for an empty list.
    pub(super) fn check_filters(&self) -> Result<(), TemplateError> {
        for code in code_of(self.source) {
            let text = &self.source[code.clone()];
            if let Some(at) = paths::slice_in(text) {
                let start = code.start + at;
                let hint = "use first, last or truncate(3)".to_owned();
                return Err(self.error(start..start, "templates have no slices", Some(hint)));
            }
            for (at, name) in paths::filters_in(text) {
                if !filters::NAMES.contains(&name) && name != "d" {
                    let hint = match nearest(name, filters::NAMES.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("filters are {}", filters::NAMES.join(", ")),
                    };
                    let start = code.start + at;
                    return Err(self.error(start..start, format!("unknown filter `{name}`"), Some(hint)));
                }
            }
        }
        Ok(())
    }

    /// A warning, or nothing, for a path.
    pub(super) fn check_path(
        &self,
        path: &FieldPath,
        at: &Range<usize>,
        scope: &Scope<'_>,
    ) -> Result<Option<TemplateError>, TemplateError> {
        let Some(field) = path.field() else { return Ok(None) };
        let of = field.of;
        if let (Some(step), Some(known)) = (&field.step, scope.known_steps())
            && !known.contains(&step.as_ref())
        {
            let hint = nearest(step, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            return Err(self.error(at.clone(), format!("unknown step `{step}`"), hint));
        }
        let declared = scope.declared_fields();
        let is_known = of.field(&field.name).is_some()
            || of == Variable::Entry && field.name.as_ref() == "data"
            || declared.is_some_and(|fields| fields.names(of).any(|name| name == field.name.as_ref()));
        if is_known {
            return Ok(None);
        }
        let known = of.fields().iter().map(|field| field.name);
        let known = known.chain(declared.into_iter().flat_map(|fields| fields.names(of)));
        let near = nearest(&field.name, known).map(|near| format!("did you mean `{of}.{near}`?"));
        match of.others() {
            Others::None => {
                let known: Vec<_> = of.fields().iter().map(|field| field.name).collect();
                let hint = near.unwrap_or_else(|| format!("it has {}", known.join(", ")));
                Err(self.error(at.clone(), format!("`{of}` has no field `{}`", field.name), Some(hint)))
            }
            Others::Declared => match near {
                Some(near) => {
                    let hint = format!("{near} If it is yours, declare it in a Fields file");
                    Err(self.error(at.clone(), format!("unknown field `{path}`"), Some(hint)))
                }
                None => {
                    let hint = "declare it in a Fields file".to_owned();
                    Ok(Some(self.error(at.clone(), format!("`{path}` is not declared"), Some(hint))))
                }
            },
            Others::Free => Ok(near.map(|near| {
                self.error(at.clone(), format!("`{path}` is close to a known field"), Some(near))
            })),
        }
    }
}
