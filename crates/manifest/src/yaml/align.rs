//! Where a place within a scalar's value stands in the file.

use crate::source::{Extent, Text};

/// The place of `from..to` (bytes of the value) within the file. Exact for values written on one line or as a literal
/// block; where lines are folded or characters escaped, as near as walking both texts side by side gets.
pub(crate) fn inner(text: &Text, scalar: Extent, value: &str, from: usize, to: usize) -> Extent {
    let raw = text.slice(scalar);
    let start = offset(raw, value, from);
    let end = offset(raw, value, to.max(from));
    Extent::new(scalar.start + start, scalar.start + end.max(start))
}

fn offset(raw: &str, value: &str, target: usize) -> usize {
    let mut raw_at = skip_opening(raw, value);
    for (at, wanted) in value.char_indices() {
        if at >= target {
            break;
        }
        let rest = &raw[raw_at..];
        let Some(found) = rest.chars().next() else { break };
        raw_at += if found == wanted && wanted != '\n' {
            let doubled = wanted == '\'' && raw.starts_with('\'') && rest.starts_with("''");
            found.len_utf8() * if doubled { 2 } else { 1 }
        } else if wanted.is_whitespace() {
            rest.len() - rest.trim_start().len()
        } else if found == '\\' {
            escape_length(rest)
        } else {
            // A fold or an escape that was not foreseen: take up the trail where the character comes next.
            rest.find(wanted).map_or(0, |skipped| skipped + wanted.len_utf8())
        };
    }
    // The place is that of a character, not of the blanks before it.
    let at_word = value.get(target..).is_some_and(|rest| rest.starts_with(|c: char| !c.is_whitespace()));
    if at_word {
        let rest = &raw[raw_at..];
        raw_at += rest.len() - rest.trim_start().len();
    }
    raw_at.min(raw.len())
}

/// The quote, or the header of a block.
fn skip_opening(raw: &str, value: &str) -> usize {
    match raw.chars().next() {
        Some('"' | '\'') => 1,
        Some('|' | '>') if !value.starts_with(['|', '>']) || raw.lines().count() > 1 => {
            let header = raw.find('\n').map_or(raw.len(), |at| at + 1);
            let body = &raw[header..];
            let indent = body.len() - body.trim_start().len();
            let kept = value.len() - value.trim_start().len();
            header + indent.saturating_sub(kept)
        }
        _ => 0,
    }
}

fn escape_length(rest: &str) -> usize {
    let digits = match rest.chars().nth(1) {
        Some('x') => 2,
        Some('u') => 4,
        Some('U') => 8,
        _ => 0,
    };
    rest.char_indices().nth(2 + digits).map_or(rest.len(), |(at, _)| at)
}
