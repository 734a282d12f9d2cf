//! A file's text, and where in it something stands.

use std::sync::Arc;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How messages name it: mostly its path.
    pub name: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// A file of that name with that text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// A stretch of a text, in bytes; `end` is not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Extent {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Extent {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }
}

/// A text with the starts of its lines.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    name: Arc<str>,
    text: Arc<str>,
    /// Byte offsets at which lines begin.
    lines: Arc<[usize]>,
}

/// A place as people count: from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Text {
    pub(crate) fn new(source: &Source) -> Self {
        let breaks = source.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self {
            name: source.name.as_str().into(),
            text: source.text.as_str().into(),
            lines: std::iter::once(0).chain(breaks).collect(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The text of a stretch; what lies outside of it, or splits a character, is empty.
    pub(crate) fn slice(&self, extent: Extent) -> &str {
        self.text.get(extent.start..extent.end).unwrap_or_default()
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        let index = self.lines.partition_point(|start| *start <= offset).saturating_sub(1);
        let before = self.slice(Extent::new(self.lines[index], offset.min(self.text.len())));
        Place { line: index + 1, column: before.chars().count() + 1 }
    }

    /// A line without its break, counted from 1.
    pub(crate) fn line(&self, number: usize) -> &str {
        let start = self.lines.get(number.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.lines.get(number).copied().unwrap_or(self.text.len());
        self.slice(Extent::new(start, end)).trim_end_matches(['\n', '\r'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let text = Text::new(&Source::new("a.yaml", "über: 1\r\nb: 2"));

        assert_eq!(text.place(0), Place { line: 1, column: 1 });
        assert_eq!(text.place("über".len()), Place { line: 1, column: 5 });
        assert_eq!(text.place(text.text.len()), Place { line: 2, column: 5 });
        assert_eq!(text.line(1), "über: 1");
        assert_eq!(text.line(3), "");
    }
}
