//! Templates, segments and calendars.

use domain::catalog::TemplateSpec;
use domain::expr::{Position, Scope};
use domain::id::{SegmentName, TemplateName, VersionId};
use domain::template::{FieldPath, Format, Template, TemplateError};
use domain::time::Calendar;
use domain::touch::Channel;

use super::expression::{Around, without_declaring};
use super::{Compiler, Content};
use crate::diagnostic::{Code, Finding};
use crate::model::{At, CalendarSpec, Maybe, SegmentSpec, TemplateFile};
use crate::yaml;

impl Compiler<'_> {
    pub(super) fn segment(&mut self, spec: &SegmentSpec) -> Option<Content> {
        let when = self.expression(&spec.when, Around::new(Position::Segment, &[]))?;
        Some(Content::Segment(SegmentName::new(&self.document.name).ok()?, when))
    }

    pub(super) fn calendar(&mut self, spec: &CalendarSpec) -> Option<Calendar> {
        let closed = spec.closed.0.iter().filter_map(At::get).cloned().collect();
        Some(Calendar::new(self.document.name.clone(), closed))
    }

    pub(super) fn template(&mut self, file: &TemplateFile, version: VersionId) -> Option<TemplateSpec> {
        let channel = *file.channel.get()?;
        self.parts(file, channel);
        let mut requires = Vec::new();
        for path in &file.requires.0 {
            let Some(written) = path.get() else { continue };
            if FieldPath::parse(written).is_none() {
                let finding = Finding::new(Code::BadValue, path.at, format!("`{written}` is not a field"));
                self.log.push(finding.hint("write contact.company, account.name or entry.form"));
            }
            requires.push(written.clone());
        }
        let subject = self.text(&file.subject, Format::Line);
        let text = self.text(&file.text, Format::Text).or(self.text(&file.script, Format::Text));
        let html = self.text(&file.html, Format::Html);
        Some(TemplateSpec {
            name: TemplateName::new(&self.document.name).ok()?,
            version,
            channel,
            subject,
            text,
            html,
            requires,
        })
    }

    /// Checks that a template has the parts of its channel.
    fn parts(&mut self, file: &TemplateFile, channel: Channel) {
        let spoken = matches!(channel, Channel::Call | Channel::Voicemail);
        let wrong = if spoken {
            [("text", &file.text), ("html", &file.html)]
        } else {
            let html = if channel == Channel::Email { &None } else { &file.html };
            [("script", &file.script), ("html", html)]
        };
        for (key, part) in wrong {
            if let Some(part) = part {
                let has = if spoken { "`script`" } else { "`text`" };
                let say = format!("a template for {channel} has {has}, not `{key}`");
                self.report(Code::Conflict, part.at, say);
            }
        }
        let (key, said) = if spoken { ("script", &file.script) } else { ("text", &file.text) };
        if said.is_none() && file.html.is_none() && !(spoken && file.text.is_some()) && file.script.is_none()
        {
            self.report(Code::MissingKey, file.channel.at, format!("a template for {channel} needs `{key}`"));
        }
    }

    fn text(&mut self, source: &Maybe<String>, format: Format) -> Option<Template> {
        let source = source.as_ref()?;
        let written = source.get()?;
        let scope = Scope::new(Position::Guard);
        let compiled = Template::compile(&self.document.name, written, format)
            .and_then(|template| template.check(&scope).map(|warnings| (template, warnings)));
        match compiled {
            Ok((template, warnings)) => {
                for warning in warnings {
                    let finding = self.place_in_template(source, written, warning, Code::UndeclaredAttribute);
                    self.log.push(finding.hint(self.own_field()));
                }
                Some(template)
            }
            Err(error) => {
                self.log.push(self.place_in_template(source, written, error, Code::Template));
                None
            }
        }
    }

    fn place_in_template(
        &self,
        source: &At<String>,
        written: &str,
        error: TemplateError,
        code: Code,
    ) -> Finding {
        let start = offset(written, error.line, error.column);
        let word = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let length: usize = written[start..].chars().take_while(word).map(char::len_utf8).sum();
        let at = yaml::inner(self.text, source.at, written, start, start + length);
        Finding::new(code, at, error.message).maybe_hint(error.hint.map(without_declaring))
    }
}

/// The byte at a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let within =
        text[start..].char_indices().nth(column.saturating_sub(1)).map_or(text.len() - start, |(at, _)| at);
    start + within
}
