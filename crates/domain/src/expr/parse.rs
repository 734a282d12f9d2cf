//! From source to the syntax tree of CEL, within bounds.

use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, SourceInfo};
use cel::parser::{ParseError, Parser};

use super::error::ExprError;

/// The longest source.
pub(super) const MAX_SOURCE_BYTES: usize = 4 * 1024;
/// How deep operators and brackets may nest: the parser and every later walk recurse.
const MAX_DEPTH: usize = 128;
/// How deep brackets alone may nest. Each level costs the parser about 170 KiB of stack in a build without optimisation;
/// a thread has 2 MiB.
const MAX_BRACKETS: usize = 7;

/// A syntax tree with the places of its parts.
pub(super) struct Parsed<'s> {
    pub(super) root: IdedExpr,
    source: &'s str,
    info: SourceInfo,
}

impl Parsed<'_> {
    /// Where the token of a part was written, in bytes.
    pub(super) fn token(&self, part: &IdedExpr) -> Range<usize> {
        let Some((start, stop)) = self.info.offset_for(part.id) else { return 0..self.source.len() };
        let start = boundary(self.source, start as usize);
        start..boundary(self.source, (stop as usize).saturating_add(1)).max(start)
    }

    /// Where a part was written, from its first token to its last that is known, in bytes.
    pub(super) fn range(&self, part: &IdedExpr) -> Range<usize> {
        let token = self.token(part);
        match &part.expr {
            Expr::Select(select) => {
                // Placed at its dot.
                let operand = self.range(&select.operand);
                let end = boundary(self.source, token.start + 1 + select.field.len());
                operand.start.min(token.start)..end
            }
            Expr::Call(call) => {
                let operands = call.target.as_deref().into_iter().chain(&call.args);
                operands
                    .map(|operand| self.range(operand))
                    .fold(token, |whole, part| whole.start.min(part.start)..whole.end.max(part.end))
            }
            _ => token,
        }
    }
}

/// The first character boundary from a byte on.
fn boundary(source: &str, byte: usize) -> usize {
    (byte..source.len()).find(|byte| source.is_char_boundary(*byte)).unwrap_or(source.len())
}

/// Parses a source.
pub(super) fn parse(source: &str) -> Result<Parsed<'_>, ExprError> {
    if source.trim().is_empty() {
        return Err(ExprError::new(0..source.len(), "the expression is empty"));
    }
    if source.len() > MAX_SOURCE_BYTES {
        let message = format!("the expression is longer than {MAX_SOURCE_BYTES} bytes");
        return Err(ExprError::new(MAX_SOURCE_BYTES..source.len(), message).hint("split it into segments"));
    }
    check_shape(source)?;
    match Parser::new().parse_with_source_info(source) {
        Ok((root, info)) => Ok(Parsed { root, source, info }),
        Err(errors) => Err(errors.errors.first().map_or_else(
            || ExprError::new(0..source.len(), "the expression cannot be read"),
            |first| syntax_error(source, first),
        )),
    }
}

/// A piece of source outside of strings.
enum Piece {
    Open,
    Close,
    /// Ends a chain of operators: `&&`, `||`, `,`, `?`, `:`.
    Separator,
    /// Makes a chain longer: a dot, an arithmetic operator, a comparison, `!`.
    Link,
    /// A single `=`.
    Assignment,
    /// A word.
    Word,
}

/// Cuts a source into pieces; strings and numbers are skipped.
fn pieces(source: &str) -> Vec<(Piece, Range<usize>)> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let next = bytes.get(at + 1).copied();
        at += 1;
        let piece = match bytes[start] {
            quote @ (b'"' | b'\'') => {
                at = end_of_string(bytes, start, quote, Raw::No);
                continue;
            }
            b'r' | b'R' if matches!(next, Some(b'"' | b'\'')) => {
                at = end_of_string(bytes, start + 1, bytes[start + 1], Raw::Yes);
                continue;
            }
            b'(' | b'[' | b'{' => Piece::Open,
            b')' | b']' | b'}' => Piece::Close,
            b',' | b'?' | b':' => Piece::Separator,
            b'&' | b'|' if next == Some(bytes[start]) => {
                at += 1;
                Piece::Separator
            }
            b'=' | b'!' | b'<' | b'>' if next == Some(b'=') => {
                at += 1;
                Piece::Link
            }
            b'=' => Piece::Assignment,
            b'.' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'!' => Piece::Link,
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                while bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
                    at += 1;
                }
                Piece::Word
            }
            _ => continue,
        };
        found.push((piece, start..at));
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Raw {
    Yes,
    No,
}

/// The byte after a string that begins with the quote at `start`; the end of the source when it is not closed.
fn end_of_string(bytes: &[u8], start: usize, quote: u8, raw: Raw) -> usize {
    let triple = bytes.get(start + 1) == Some(&quote) && bytes.get(start + 2) == Some(&quote);
    let width = if triple { 3 } else { 1 };
    let mut at = start + width;
    while at < bytes.len() {
        if bytes[at] == b'\\' && raw == Raw::No {
            at += 2;
        } else if bytes[at..].iter().take(width).filter(|byte| **byte == quote).count() == width {
            return at + width;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// Refuses what would make the parser recurse too deep, and what people write by habit.
fn check_shape(source: &str) -> Result<(), ExprError> {
    let mut links = vec![0_usize];
    for (piece, at) in pieces(source) {
        match piece {
            Piece::Open => {
                // A call or an index makes a chain longer too.
                if let Some(links) = links.last_mut() {
                    *links += 1;
                }
                links.push(0);
            }
            Piece::Close if links.len() > 1 => {
                links.pop();
            }
            Piece::Close => {}
            Piece::Separator => {
                if let Some(links) = links.last_mut() {
                    *links = 0;
                }
            }
            Piece::Link => {
                if let Some(links) = links.last_mut() {
                    *links += 1;
                }
            }
            Piece::Assignment => {
                return Err(ExprError::new(at, "`=` is no operator").hint("write == to compare"));
            }
            Piece::Word => check_word(source, at)?,
        }
        if links.len() - 1 > MAX_BRACKETS || links.iter().sum::<usize>() + links.len() > MAX_DEPTH {
            return Err(ExprError::new(0..source.len(), "the expression is nested too deeply")
                .hint("split it into segments"));
        }
    }
    Ok(())
}

fn check_word(source: &str, at: Range<usize>) -> Result<(), ExprError> {
    let instead = match &source[at.clone()] {
        "and" | "AND" => "&&",
        "or" | "OR" => "||",
        "not" | "NOT" => "!",
        "True" | "TRUE" => "true",
        "False" | "FALSE" => "false",
        "IN" => "in",
        _ => return Ok(()),
    };
    // After a dot or before a bracket it is a name.
    let named = source[..at.start].trim_end().ends_with('.');
    if named {
        return Ok(());
    }
    let message = format!("`{}` is no operator", &source[at.clone()]);
    Err(ExprError::new(at, message).hint(format!("write {instead}")))
}

/// The parser's message without its list of everything it would have taken.
fn syntax_error(source: &str, error: &ParseError) -> ExprError {
    let (line, column) =
        (usize::try_from(error.pos.0).unwrap_or(0), usize::try_from(error.pos.1).unwrap_or(0));
    let line_start: usize =
        source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
    let rest = &source[line_start.min(source.len())..];
    let start = line_start + byte_of_char(rest, column.saturating_sub(1));
    let start = start.min(source.len());
    let end = source[start..].char_indices().nth(1).map_or(source.len(), |(next, _)| start + next);
    let message = error.msg.trim_start_matches("Syntax error: ");
    let message = message.split(" expecting ").next().unwrap_or(message);
    let message = if message.contains("<EOF>") {
        "the expression ends too early".to_owned()
    } else {
        message.replace("token recognition error at:", "cannot read").to_lowercase()
    };
    ExprError::new(start..end, message)
}

/// The byte at which the character of that number begins.
fn byte_of_char(source: &str, number: usize) -> usize {
    source.char_indices().nth(number).map_or(source.len(), |(byte, _)| byte)
}

/// The sources of the parts that `&&` joins, left to right, brackets around joined parts taken off.
pub(super) fn split_clauses(source: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    split_into(source, 0..source.len(), &mut parts);
    parts
}

fn split_into(source: &str, within: Range<usize>, parts: &mut Vec<Range<usize>>) {
    let within = trimmed(source, within);
    let text = &source[within.clone()];
    let mut depth = 0_usize;
    let mut cuts = Vec::new();
    let mut closes_at = None;
    for (piece, at) in pieces(text) {
        match piece {
            Piece::Open => depth += 1,
            Piece::Close => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    closes_at.get_or_insert(at.end);
                }
            }
            Piece::Separator if depth == 0 => match &text[at.clone()] {
                "&&" => cuts.push(at),
                // `||` and `?:` bind less tightly: the whole is one part.
                _ => return parts.push(within),
            },
            _ => {}
        }
    }
    if cuts.is_empty() {
        if text.starts_with('(') && closes_at == Some(text.len()) && text.contains("&&") {
            let inner = within.start + 1..within.end - 1;
            return split_into(source, inner, parts);
        }
        return parts.push(within);
    }
    let mut start = within.start;
    for cut in cuts {
        split_into(source, start..within.start + cut.start, parts);
        start = within.start + cut.end;
    }
    split_into(source, start..within.end, parts);
}

fn trimmed(source: &str, range: Range<usize>) -> Range<usize> {
    let text = &source[range.clone()];
    let start = range.start + (text.len() - text.trim_start().len());
    start..(start + text.trim().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::{Bindings, Expression, Position, Scope};

    fn clauses(source: &str) -> Vec<&str> {
        split_clauses(source).into_iter().map(|range| &source[range]).collect()
    }

    #[test]
    fn clauses_are_split_at_the_outermost_and() {
        assert_eq!(clauses("a && b"), ["a", "b"]);
        assert_eq!(
            clauses("a == \"x && y\" && f(b && c) && [d && e]"),
            ["a == \"x && y\"", "f(b && c)", "[d && e]"]
        );
        assert_eq!(clauses("(a && b) && c"), ["a", "b", "c"]);
        assert_eq!(clauses("(a) && (b || c)"), ["(a)", "(b || c)"]);
        assert_eq!(clauses("a && b || c"), ["a && b || c"]);
        assert_eq!(clauses("a ? b && c : d"), ["a ? b && c : d"]);
        assert_eq!(clauses("(a && b) || (c && d)"), ["(a && b) || (c && d)"]);
        assert_eq!(clauses(r#"a == r"\" && b == '\' && ' "#), [r#"a == r"\""#, r"b == '\' && '"]);
    }

    #[test]
    fn nesting_beyond_the_bound_is_refused_not_overflowed() {
        for source in [
            "(".repeat(4_000),
            format!("{}true{}", "(".repeat(60), ")".repeat(60)),
            "!".repeat(4_000),
            format!("a{}", ".a".repeat(1_900)),
            format!("1{} == 1", " + 1".repeat(1_000)),
            format!("a{}", "[0]".repeat(1_300)),
            "[".repeat(4_000),
            "-".repeat(4_000),
            "a ? b : ".repeat(400),
        ] {
            assert!(parse(&source).is_err(), "{}…", &source[..20]);
        }
    }

    #[test]
    fn what_is_just_within_the_bounds_is_read_and_judged_on_three_quarters_of_a_threads_stack() {
        let open_sums = format!("({}", "1 + ".repeat(14));
        let deepest = [
            format!("{}true{}", "(".repeat(MAX_BRACKETS), ")".repeat(MAX_BRACKETS)),
            format!("{}1{} == [1]", "[".repeat(MAX_BRACKETS), "]".repeat(MAX_BRACKETS)),
            format!("{}1{} == 1", "int(".repeat(MAX_BRACKETS), ")".repeat(MAX_BRACKETS)),
            format!("{}1{} == 1", open_sums.repeat(MAX_BRACKETS), ")".repeat(MAX_BRACKETS)),
            format!("event.data{} == 1", ".a".repeat(110)),
            format!("1{} == 1", " + 1".repeat(110)),
            format!("event{} == 1", "[\"a\"]".repeat(60)),
            format!("{}true", "!".repeat(120)),
            format!("{}true", "true ? true : ".repeat(60)),
            format!("event.a in [{}]", vec!["\"US\""; 500].join(", ")),
            vec!["now == now"; 280].join(" || "),
            vec!["now == now"; 280].join(" && "),
        ];
        let judged = std::thread::Builder::new()
            .stack_size(1_536 * 1_024)
            .spawn(move || {
                for source in deepest {
                    let expression = Expression::compile(&source, &Scope::new(Position::OnEvent));
                    let expression = expression.unwrap_or_else(|error| panic!("{source}: {error}"));
                    let _ = expression.clauses(&Bindings::new(jiff::Timestamp::UNIX_EPOCH));
                }
            })
            .unwrap();

        assert!(judged.join().is_ok());
    }
}
