//! Names of sources, connectors and workspaces.

use std::fmt;
use std::str::FromStr;

use super::read_from_text;

/// A name that can stand in a URL path, a topic key and a metric label: 1 to 63 lower-case letters, digits,
/// `-` and `_`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The workspace of everything that names none.
    pub const MAIN_WORKSPACE: &'static str = "main";

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The default workspace.
    pub(crate) fn main() -> Self {
        Self(Self::MAIN_WORKSPACE.to_owned())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let legal = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-' | '_');
        if text.is_empty() || text.len() > 63 || !text.chars().all(legal) || text.starts_with(['-', '_']) {
            return Err(format!(
                "{text:?} is not a name; use 1 to 63 lower-case letters, digits, \"-\" and \"_\", beginning with a letter or digit"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

read_from_text!(Name, "name");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_lower_case_words() {
        for text in ["a", "website-forms", "crm_2", "0x"] {
            assert_eq!(text.parse::<Name>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "Website", "a b", "a/b", "-a", "_a", "ä", &"x".repeat(64)] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
