//! Texts put together of values: `{/person/first} {/person/last}`.

use serde_json::Value;

use crate::convert;
use crate::pointer::Pointer;

/// A text with JSON pointers in braces; `{{` and `}}` are literal braces.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Literal(String),
    Value(Pointer),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let doubled = ["{{", "}}"].into_iter().find(|braces| rest.starts_with(braces));
            if let Some(braces) = doubled {
                literal.push_str(&braces[..1]);
                rest = &rest[2..];
            } else if first == '{' {
                let (pointer, after) = rest[1..].split_once('}').ok_or("a \"{\" is not closed")?;
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                pieces.push(Piece::Value(Pointer::parse(pointer.trim()).map_err(|error| error.to_string())?));
                rest = after;
            } else if first == '}' {
                return Err("a \"}\" closes nothing; a literal one is written \"}}\"".to_owned());
            } else {
                literal.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        pieces.push(Piece::Literal(literal));
        if !pieces.iter().any(|piece| matches!(piece, Piece::Value(_))) {
            return Err("it names no value; a fixed text is written { const = … }".to_owned());
        }
        Ok(Self(pieces))
    }

    /// The text, trimmed; a missing value is empty, and none is made when all are missing.
    pub(super) fn fill(&self, item: &Value) -> Option<String> {
        let mut text = String::new();
        let mut found = false;
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(pointer) => {
                    if let Some(value) = pointer.get(item).and_then(convert::text) {
                        found = true;
                        text.push_str(&value);
                    }
                }
            }
        }
        found.then(|| text.trim().to_owned())
    }
}
