//! A strict JSON reader for bodies that come from outside.
//!
//! It differs from `serde_json` where a webhook needs it: duplicate names are refused instead of the last one winning
//! (two readers could otherwise see two messages), nesting is limited to [`MAX_DEPTH`], an integer too big for 64 bits
//! stays as text so that an id keeps its digits, a leading byte order mark is skipped, and NUL becomes U+FFFD since no
//! database text takes it.

use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::pointer::Pointer;

/// How many arrays and objects may lie within each other.
pub const MAX_DEPTH: usize = 64;

/// Why bytes are not the JSON that we take. Never holds a piece of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("the body is not UTF-8 (at byte {at})")]
    Utf8 {
        /// Where, from 0.
        at: usize,
    },
    /// Not JSON.
    #[error("the body is not JSON (at byte {at})")]
    Syntax {
        /// Where, from 0.
        at: usize,
    },
    /// An object names a member twice.
    #[error("an object names a member twice (at byte {at})")]
    DuplicateName {
        /// Where the second one ends.
        at: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("arrays and objects lie deeper than {MAX_DEPTH} within each other")]
    TooDeep,
}

/// Reads one JSON document.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = text(bytes)?;
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0 };
    reader.skip_space();
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < reader.bytes.len() {
        return Err(reader.syntax());
    }
    Ok(value)
}

/// The body as text, without a byte order mark.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::Utf8 { at: error.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The elements of the array that `steps` lead to, each as the bytes that were sent; every step but the last leads to
/// an array too, whose elements the next step starts from. None when something else is found there.
pub(crate) fn raw_elements<'t>(text: &'t str, steps: &[Pointer]) -> Option<Vec<&'t str>> {
    let mut found = vec![text.trim()];
    for step in steps {
        let mut next = Vec::new();
        for element in found {
            let array = raw_at(element, step)?;
            let elements: Vec<&RawValue> = serde_json::from_str(array).ok()?;
            next.extend(elements.into_iter().map(RawValue::get));
        }
        found = next;
    }
    Some(found)
}

fn raw_at<'t>(text: &'t str, pointer: &Pointer) -> Option<&'t str> {
    let mut here = text;
    for name in pointer.names() {
        here = if here.trim_start().starts_with('[') {
            let elements: Vec<&RawValue> = serde_json::from_str(here).ok()?;
            elements.get(name.parse::<usize>().ok()?)?.get()
        } else {
            let members: std::collections::HashMap<String, &RawValue> = serde_json::from_str(here).ok()?;
            members.get(name.as_str())?.get()
        };
    }
    Some(here)
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn syntax(&self) -> JsonError {
        JsonError::Syntax { at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, expected: u8) -> Result<(), JsonError> {
        if self.peek() != Some(expected) {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.syntax()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        let mut members = Map::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.take(b':')?;
            self.skip_space();
            let value = self.value(depth)?;
            if members.insert(name, value).is_some() {
                return Err(JsonError::DuplicateName { at: self.at });
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(members));
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        let mut elements = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(elements));
        }
        loop {
            self.skip_space();
            elements.push(self.value(depth)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(elements));
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.take(b'"')?;
        let mut out = String::new();
        let mut plain = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    out.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    out.push(self.escape()?);
                    plain = self.at;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.syntax()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let letter = self.peek().ok_or_else(|| self.syntax())?;
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.syntax()),
        })
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                self.take(b'\\')?;
                self.take(b'u')?;
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.syntax());
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            0 => 0xfffd,
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.syntax())
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or_else(|| self.syntax())?;
        let mut code = 0;
        for digit in digits {
            let value = char::from(*digit).to_digit(16).ok_or_else(|| self.syntax())?;
            code = code * 16 + value;
        }
        self.at += 4;
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.syntax()) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let written = &self.text[start..self.at];
        Ok(exact(written, whole).map_or_else(|| Value::String(written.to_owned()), Value::Number))
    }
}

fn exact(written: &str, whole: bool) -> Option<Number> {
    if !whole {
        return written.parse().ok().and_then(Number::from_f64);
    }
    if let Ok(number) = written.parse::<i64>() {
        return Some(number.into());
    }
    written.parse::<u64>().ok().map(Number::from)
}

#[cfg(test)]
mod tests;
