//! What is wrong with a file, where, and what to write instead.

use std::fmt;

use serde::Serialize;

use crate::source::{Extent, Text};

/// Whether a finding stops an apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file works; experience says that it could be better. `lint.allow` silences it.
    Warning,
}

impl Severity {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $severity:ident,)*) => {
        /// What kind of finding it is; its name is what `lint.allow` takes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in output and in `lint.allow`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Whether it stops an apply.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }
        }
    };
}

codes! {
    /// It is not YAML.
    Syntax = "syntax" Error,
    /// A key that does not exist there.
    UnknownKey = "unknown_key" Error,
    /// A key given twice.
    DuplicateKey = "duplicate_key" Error,
    /// A key that must be there.
    MissingKey = "missing_key" Error,
    /// A list where text is wanted, and the like.
    WrongType = "wrong_type" Error,
    /// A value that cannot be.
    BadValue = "bad_value" Error,
    /// Part of the language, but not of this release.
    NotSupported = "not_supported" Error,
    /// A step, template, segment, calendar or connector that does not exist.
    UnknownName = "unknown_name" Error,
    /// Two documents or steps of one name.
    DuplicateName = "duplicate_name" Error,
    /// Keys or values that exclude one another.
    Conflict = "conflict" Error,
    /// An expression that does not compile.
    Expression = "expression" Error,
    /// A template that does not compile.
    Template = "template" Error,
    /// A loop of branches without a touch or a wait in it.
    EndlessLoop = "endless_loop" Error,
    /// Segments that are defined by each other.
    SegmentCycle = "segment_cycle" Error,
    /// A clock time without quotes: older YAML tools read it as a number.
    UnquotedTime = "unquoted_time" Warning,
    /// An attribute that nothing declares: it may be a slip.
    UndeclaredAttribute = "undeclared_attribute" Warning,
    /// An expression that probably does not say what is meant.
    DoubtfulExpression = "doubtful_expression" Warning,
    /// A template made for another channel than the step's.
    TemplateChannel = "template_channel" Warning,
    /// A step that nothing leads to.
    UnreachableStep = "unreachable_step" Warning,
    /// Neither a goal nor an exit rule.
    NoExit = "no_exit" Warning,
    /// No step says that it is the last.
    NoBreakup = "no_breakup" Warning,
    /// The same template in two steps.
    SameTemplate = "same_template" Warning,
    /// A message that asks for nothing.
    NoCta = "no_cta" Warning,
    /// All touches on one channel.
    SingleChannel = "single_channel" Warning,
    /// Steps that come closer together late in the cadence.
    ShrinkingGaps = "shrinking_gaps" Warning,
    /// Many touches on one day.
    TooDense = "too_dense" Warning,
    /// Many weeks.
    TooLong = "too_long" Warning,
}

impl Code {
    /// The warnings: what `lint.allow` may name.
    pub fn warnings() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|code| code.severity() == Severity::Warning)
    }

    /// The warning of that name.
    #[must_use]
    pub fn warning(name: &str) -> Option<Self> {
        Self::warnings().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One finding. Displayed as compilers do, with the line and a caret under the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether it stops an apply.
    pub severity: Severity,
    /// What kind of finding it is.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// The line with a caret under the place.
    pub snippet: String,
}

impl Diagnostic {
    /// Whether it stops an apply.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let margin = " ".repeat(self.line.to_string().len());
        writeln!(f, "{}[{}]: {}", self.severity.as_str(), self.code, self.message)?;
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        write!(f, "{}", self.snippet)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n{margin} = help: {hint}")?;
        }
        Ok(())
    }
}

/// A finding about a stretch of a text that is not yet placed.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) code: Code,
    pub(crate) at: Extent,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Finding {
    pub(crate) fn new(code: Code, at: Extent, message: impl Into<String>) -> Self {
        Self { code, at, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The finding with its place in the text.
    pub(crate) fn placed(self, text: &Text) -> Diagnostic {
        let place = text.place(self.at.start);
        Diagnostic {
            severity: self.code.severity(),
            code: self.code,
            message: self.message,
            hint: self.hint,
            file: text.name().to_owned(),
            line: place.line,
            column: place.column,
            snippet: snippet(text, self.at),
        }
    }
}

/// The longest line that a message shows.
const WIDEST: usize = 120;

fn snippet(text: &Text, at: Extent) -> String {
    let place = text.place(at.start);
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    // Tabs and other control characters would move the caret, or the reader's cursor.
    let line: Vec<char> =
        text.line(place.line).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let before = place.column - 1;
    let from = if before < WIDEST { 0 } else { before - WIDEST / 2 };
    let shown: String = line.iter().skip(from).take(WIDEST).collect();
    let left = shown.chars().count().saturating_sub(before - from);
    let length = text.slice(at).lines().next().unwrap_or_default().trim_end().chars().count();
    let carets = "^".repeat(length.min(left).max(1));
    format!("{margin} |\n{number} | {}\n{margin} | {}{carets}", shown.trim_end(), " ".repeat(before - from))
}

/// Findings about one text, in the order in which they were met.
#[derive(Debug, Default)]
pub(crate) struct Log(Vec<Finding>);

impl Log {
    pub(crate) fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    pub(crate) fn report(&mut self, code: Code, at: Extent, message: impl Into<String>) {
        self.push(Finding::new(code, at, message));
    }

    /// The findings, by their place in the text, each once.
    pub(crate) fn placed(mut self, text: &Text) -> Vec<Diagnostic> {
        self.0.sort_by_key(|finding| finding.at.start);
        let mut placed: Vec<_> = self.0.into_iter().map(|finding| finding.placed(text)).collect();
        placed.dedup();
        placed
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.code.severity() == Severity::Error)
    }

    pub(crate) fn silence(&mut self, allowed: &[Code]) {
        self.0.retain(|finding| !allowed.contains(&finding.code));
    }
}

/// The known word that a wrong one was probably meant to be.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&given, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance * 3 <= word.chars().count().max(given.chars().count()))
        .min()
        .map(|(_, word)| word)
}

/// "did you mean …?", else the whole choice when it is short.
pub(crate) fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let all: Vec<&'a str> = known.into_iter().collect();
    if let Some(word) = nearest(given, all.iter().copied()) {
        return Some(format!("did you mean `{word}`?"));
    }
    let list = || all.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match all.len() {
        0 => None,
        1..=12 => Some(format!("known here: {}", list())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn a_finding_is_shown_with_its_line_and_a_caret_under_the_place() {
        let text = Text::new(&Source::new("a.yaml", "a: 1\nprioritty: 80\n"));

        let shown = Finding::new(Code::UnknownKey, Extent::new(5, 14), "unknown key `prioritty`")
            .hint("did you mean `priority`?")
            .placed(&text)
            .to_string();

        assert_eq!(
            shown,
            "error[unknown_key]: unknown key `prioritty`\n \
             --> a.yaml:2:1\n  |\n2 | prioritty: 80\n  | ^^^^^^^^^\n  = help: did you mean `priority`?"
        );
    }

    #[test]
    fn a_very_long_line_is_shown_around_the_place() {
        let line = format!("{}HERE{}", "x".repeat(500), "y".repeat(500));
        let text = Text::new(&Source::new("a.yaml", line));

        let shown = Finding::new(Code::Syntax, Extent::new(500, 504), "odd").placed(&text).snippet;

        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[1].find("HERE"), lines[2].find("^^^^"));
        assert!(lines[1].len() < 140);
    }

    #[test]
    fn the_nearest_word_is_named_only_when_it_is_near() {
        assert_eq!(nearest("prioritty", ["reason", "priority"]), Some("priority"));
        assert_eq!(nearest("colour", ["reason", "priority"]), None);
    }
}
