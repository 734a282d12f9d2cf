//! Addresses in one spelling each, so that the same person is recognised however a form wrote it.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Why a value is not an identity. Never holds the value: it may be personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not of the form `local@domain`.
    #[error("not an e-mail address: expected local@domain")]
    Email,
    /// Not a number that can be dialled.
    #[error("not a phone number: expected international form such as +15551234567, or a known country")]
    Phone,
    /// Blank or too long.
    #[error("not a record id: expected 1 to 255 printable characters")]
    CrmId,
    /// Not a domain name.
    #[error("not a domain name")]
    Domain,
}

/// An e-mail address: trimmed, lower-cased whole, NFC, domain in IDNA ASCII form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// Normalises an address; a display name (`Ada <a@b.c>`) is dropped. Dots and plus tags are kept.
    ///
    /// # Errors
    /// When it is not an address.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        if is_plain_address(text) {
            return Ok(Self(text.to_owned()));
        }
        Self::normalised(text)
    }

    fn normalised(text: &str) -> Result<Self, IdentityError> {
        let text = text.trim();
        let bare = match (text.rfind('<'), text.strip_suffix('>')) {
            (Some(open), Some(_)) => &text[open + 1..text.len() - 1],
            _ => text,
        };
        let bare: String = bare.trim().nfc().collect::<String>().to_lowercase();
        let (local, domain) = bare.rsplit_once('@').ok_or(IdentityError::Email)?;
        let local_is_fine = !local.is_empty()
            && local.len() <= 64
            && !local.chars().any(|c| {
                // The last stands for what could not be kept, a NUL among them.
                c.is_whitespace()
                    || c.is_control()
                    || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '@' | '\u{fffd}')
            });
        if !local_is_fine {
            return Err(IdentityError::Email);
        }
        let domain = Domain::parse(domain).map_err(|_| IdentityError::Email)?;
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The normalised address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `@`.
    #[must_use]
    pub fn domain(&self) -> Domain {
        let (_, domain) = self.0.rsplit_once('@').unwrap_or_default();
        Domain(domain.to_owned())
    }
}

/// A phone number in E.164.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(String);

impl Phone {
    /// Normalises an international number.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        Self::parse_in(text, None)
    }

    /// Normalises a number written as in `country` (ISO 3166 alpha-2).
    ///
    /// # Errors
    /// When it cannot be a number.
    pub fn parse_in(text: &str, country: Option<&str>) -> Result<Self, IdentityError> {
        let text = text.trim();
        let text = text.strip_prefix("tel:").unwrap_or(text);
        if text.is_empty() || text.len() > 64 {
            return Err(IdentityError::Phone);
        }
        let country = country.and_then(|code| code.to_ascii_uppercase().parse().ok());
        let number = phonenumber::parse(country, text).map_err(|_| IdentityError::Phone)?;
        Ok(Self(number.format().mode(phonenumber::Mode::E164).to_string()))
    }

    /// A number that was normalised before. Only its form is looked at: what the tables of numbers say changes.
    ///
    /// # Errors
    /// When it is not of the form of E.164.
    pub fn kept(text: String) -> Result<Self, IdentityError> {
        let digits = text.strip_prefix('+').ok_or(IdentityError::Phone)?;
        if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(IdentityError::Phone);
        }
        Ok(Self(text))
    }

    /// The number in E.164.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A company's domain: lower case, IDNA ASCII form, no trailing dot, no leading `www.`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// Normalises a domain name; a URL's scheme and path are dropped.
    ///
    /// # Errors
    /// When nothing like a domain name is left.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        if is_plain_domain(text) {
            return Ok(Self(text.to_owned()));
        }
        Self::normalised(text)
    }

    fn normalised(text: &str) -> Result<Self, IdentityError> {
        let text = text.trim();
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        let text = text.split(['/', '?', '#', ':']).next().unwrap_or_default();
        let nfc: String = text.trim_end_matches('.').nfc().collect();
        let ascii = idna::domain_to_ascii_strict(&nfc).map_err(|_| IdentityError::Domain)?;
        let ascii = ascii.strip_prefix("www.").unwrap_or(&ascii);
        if ascii.is_empty() || ascii.len() > 253 {
            return Err(IdentityError::Domain);
        }
        Ok(Self(ascii.to_owned()))
    }

    /// The normalised domain.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether an address is in its one spelling already, seen without the tables of Unicode: most are.
fn is_plain_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let fits = |b: u8| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'\'')
    };
    !local.is_empty() && local.len() <= 64 && local.bytes().all(fits) && is_plain_domain(domain)
}

/// The same of a domain: labels of lower-case letters, digits and inner hyphens, none that IDNA would look into, and a last
/// one that is no number.
fn is_plain_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let fits = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(fits)
            && bytes[0] != b'-'
            && bytes[bytes.len() - 1] != b'-'
            && bytes.get(2..4) != Some(b"--")
    };
    let last_is_name =
        text.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_lowercase()));
    text.len() <= 253 && !text.starts_with("www.") && last_is_name && text.split('.').all(is_label)
}

macro_rules! text_like {
    ($type:ident, $parse:path) => {
        impl TryFrom<String> for $type {
            type Error = IdentityError;
            fn try_from(text: String) -> Result<Self, IdentityError> {
                $parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_like!(Email, Email::parse);
text_like!(Phone, Phone::parse);
text_like!(Domain, Domain::parse);

// Debug output ends in logs: it must not hold a person's address.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email(…@{})", self.domain())
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(…)")
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({})", self.0)
    }
}

/// Domains under which anyone can have a mailbox: never an account.
static FREE_MAIL: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("free_mail.txt").lines().collect());

/// Whether mail addresses under `domain` say nothing of an employer.
#[must_use]
pub fn is_free_mail(domain: &Domain) -> bool {
    FREE_MAIL.contains(domain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_mailbox_become_one_spelling() {
        for written in
            ["Ada@Example.COM", "  ada@example.com ", "Ada L. <ADA@example.com>", "ada@example.com."]
        {
            assert_eq!(Email::parse(written).unwrap().as_str(), "ada@example.com", "{written}");
        }
        assert_eq!(Email::parse("a@bücher.example").unwrap().as_str(), "a@xn--bcher-kva.example");
        assert_eq!(Email::parse("a.b+c@gmail.com").unwrap().as_str(), "a.b+c@gmail.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for written in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a b@example.com",
            "a@@b.c",
            "a@b c.com",
            "a,b@c.de",
            "a\u{fffd}@b.com",
        ] {
            assert_eq!(Email::parse(written), Err(IdentityError::Email), "{written}");
        }
    }

    /// What is taken as it stands is what the long way makes of it.
    #[test]
    fn a_plain_address_is_its_own_normal_form() {
        let locals = ["a", "ada.l+x", "o'brien", "a_b-c", ".a", "", "A", "\u{e4}", "a b", "a,b", "a\"b"];
        let domains = [
            "b.example",
            "localhost",
            "1.2.3.4",
            "a-b.example",
            "-a.example",
            "a-.example",
            "xn--bcher-kva.example",
            "ab--c.example",
            "www.example",
            "a..b",
            ".b",
            "b.",
            "B.example",
            "b\u{fc}.example",
            "a_b.example",
            "",
            "0x7f.example",
            "example.0x1",
            "example.1a",
        ];
        let mut plain = 0;
        for domain in domains {
            if is_plain_domain(domain) {
                assert_eq!(Domain::normalised(domain).as_ref().map(Domain::as_str), Ok(domain));
            }
            for local in locals {
                let address = format!("{local}@{domain}");
                if is_plain_address(&address) {
                    plain += 1;
                    assert_eq!(Email::normalised(&address).as_ref().map(Email::as_str), Ok(address.as_str()));
                }
            }
        }
        assert!(plain >= 15, "{plain}");
        let long = format!("{}.example", "a".repeat(64));
        assert!(!is_plain_domain(&long) && !is_plain_address(&format!("{}@b.example", "a".repeat(65))));
    }

    #[test]
    fn a_kept_number_is_taken_by_its_form() {
        assert_eq!(Phone::kept("+15551234567".to_owned()).unwrap(), Phone::parse("+1 555 123 4567").unwrap());
        for wrong in ["15551234567", "+", "+1555a", "", "+123456789012345678901"] {
            assert_eq!(Phone::kept(wrong.to_owned()), Err(IdentityError::Phone), "{wrong}");
        }
    }

    #[test]
    fn phones_become_e164() {
        assert_eq!(Phone::parse("+1 (555) 123-4567").unwrap().as_str(), "+15551234567");
        assert_eq!(Phone::parse_in("030 901820", Some("de")).unwrap().as_str(), "+4930901820");
        assert_eq!(Phone::parse("555"), Err(IdentityError::Phone));
    }

    #[test]
    fn domains_drop_what_is_not_theirs() {
        for written in
            ["https://www.Example.com/about?x=1", "example.com", "EXAMPLE.com.", "www.example.com:443"]
        {
            assert_eq!(Domain::parse(written).unwrap().as_str(), "example.com", "{written}");
        }
    }

    #[test]
    fn a_free_mail_domain_is_no_account() {
        assert!(is_free_mail(&Domain::parse("gmail.com").unwrap()));
        assert!(!is_free_mail(&Domain::parse("example.com").unwrap()));
    }

    #[test]
    fn debug_output_hides_the_address() {
        let shown = format!(
            "{:?}{:?}",
            Email::parse("ada@example.com").unwrap(),
            Phone::parse("+15551234567").unwrap()
        );
        assert!(!shown.contains("ada") && !shown.contains("5551234567"), "{shown}");
    }
}
