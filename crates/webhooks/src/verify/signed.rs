//! What is signed: a template such as `v0:{ts}:{body}`.

use crate::request::Request;

/// The pieces of the signed bytes, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Id,
    Time,
    Body,
    Method,
    Url,
}

/// What the pieces stand for in one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) id: &'a str,
    pub(crate) time: &'a str,
    pub(crate) url: &'a str,
}

impl Signed {
    /// Reads a template; `{{` and `}}` are literal braces.
    pub(crate) fn parse(template: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = template;
        while let Some(first) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let (name, after) = after.split_once('}').ok_or("a \"{\" is not closed")?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(match name {
                    "id" => Piece::Id,
                    "ts" => Piece::Time,
                    "body" => Piece::Body,
                    "method" => Piece::Method,
                    "url" => Piece::Url,
                    _ => return Err(format!("{{{name}}} is unknown; there are {{id}}, {{ts}}, {{body}}, {{method}} and {{url}}")),
                });
                rest = after;
            } else {
                literal.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let signed = Self(pieces);
        if !signed.0.contains(&Piece::Body) {
            return Err("it must hold {body}: else anyone who saw one request could send any body".to_owned());
        }
        Ok(signed)
    }

    pub(crate) fn has_id(&self) -> bool {
        self.0.contains(&Piece::Id)
    }

    pub(crate) fn has_time(&self) -> bool {
        self.0.contains(&Piece::Time)
    }

    pub(crate) fn has_url(&self) -> bool {
        self.0.contains(&Piece::Url)
    }

    /// Hands the signed bytes to `take`, piece by piece.
    pub(crate) fn feed(&self, request: &Request<'_>, parts: Parts<'_>, mut take: impl FnMut(&[u8])) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => take(text.as_bytes()),
                Piece::Id => take(parts.id.as_bytes()),
                Piece::Time => take(parts.time.as_bytes()),
                Piece::Body => take(request.body),
                Piece::Method => take(request.method.as_bytes()),
                Piece::Url => take(parts.url.as_bytes()),
            }
        }
    }
}
