//! JSON pointers (RFC 6901).

use std::fmt;

use serde_json::Value;

/// Why a text is not a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It does not start with a slash.
    #[error("{0:?} is not a JSON pointer: it starts with \"/\"; a constant is written {{ const = … }}")]
    NoSlash(String),
    /// A `~` that is neither `~0` nor `~1`.
    #[error("{0:?} is not a JSON pointer: \"~\" is written \"~0\", and \"/\" in a name \"~1\"")]
    Escape(String),
}

/// A JSON pointer; the empty one is the whole document.
#[derive(Clone, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// Checks and keeps a pointer.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(PointerError::NoSlash(text.to_owned()));
        }
        let escapes_are_fine = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        if !escapes_are_fine {
            return Err(PointerError::Escape(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The pointer of the whole document.
    pub(crate) const fn whole() -> Self {
        Self(String::new())
    }

    /// The value it points at; `null` counts as absent.
    #[must_use]
    pub fn get<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        document.pointer(&self.0).filter(|value| !value.is_null())
    }

    /// The names on its way, unescaped.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.0.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_finds_names_indexes_and_escapes() {
        let document = json!({ "a": [{ "b/c": 1, "d~e": 2 }], "none": null });

        assert_eq!(Pointer::parse("/a/0/b~1c").unwrap().get(&document), Some(&json!(1)));
        assert_eq!(Pointer::parse("/a/0/d~0e").unwrap().get(&document), Some(&json!(2)));
        assert_eq!(Pointer::parse("/none").unwrap().get(&document), None);
        assert_eq!(Pointer::parse("").unwrap().get(&document), Some(&document));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        assert!(matches!(Pointer::parse("a/b"), Err(PointerError::NoSlash(_))));
        assert!(matches!(Pointer::parse("/a~"), Err(PointerError::Escape(_))));
        assert!(matches!(Pointer::parse("/a~2"), Err(PointerError::Escape(_))));
    }
}
