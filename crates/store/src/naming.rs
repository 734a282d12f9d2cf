//! Whether a body that nobody understood names somebody: what is looked for is what they were called, as people and forms write it.

use domain::identity::{CrmId, Email, Phone, SubjectKeys};

/// A shorter CRM id may stand for anything.
const LONG_ENOUGH: usize = 8;
/// Fewer digits may be anybody's.
const DIGITS: usize = 8;
/// A country's code is no longer.
const COUNTRY: usize = 3;
/// Between two digits of a number.
const BETWEEN: usize = 3;

/// Whether a body holds somebody's address, number or a long CRM id.
pub(crate) fn names(body: &[u8], keys: &SubjectKeys) -> bool {
    let email = keys.email.as_ref().map(Email::as_str);
    let phone = keys.phone.as_ref().map(Phone::as_str);
    let ids = keys.crm_ids.iter().map(CrmId::as_str).filter(|id| id.len() >= LONG_ENOUGH);
    // As a form sends it.
    let encoded = email.map(|email| email.replace('@', "%40"));
    email.into_iter().chain(encoded.as_deref()).any(|text| holds(body, text))
        || phone.is_some_and(|phone| holds_number(body, phone))
        || ids.into_iter().any(|id| holds_word(body, id))
}

fn places<'b>(body: &'b [u8], text: &'b str) -> impl Iterator<Item = usize> + 'b {
    let text = text.as_bytes();
    let windows = body.windows(text.len().max(1)).enumerate();
    windows.filter(move |(_, part)| part.eq_ignore_ascii_case(text)).map(|(at, _)| at)
}

fn holds(body: &[u8], text: &str) -> bool {
    places(body, text).next().is_some()
}

/// As a word of its own, since an id may be a part of another's.
fn holds_word(body: &[u8], word: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    places(body, word).any(|at| {
        ends(at.checked_sub(1).and_then(|before| body.get(before))) && ends(body.get(at + word.len()))
    })
}

/// With or without its country, spaces, hyphens, dots and brackets between the digits.
fn holds_number(body: &[u8], phone: &str) -> bool {
    let wanted = phone.trim_start_matches('+');
    let is_it = |digits: &str| {
        let digits = digits.trim_start_matches('0');
        digits.len() >= DIGITS && wanted.strip_suffix(digits).is_some_and(|country| country.len() <= COUNTRY)
    };
    let (mut digits, mut between) = (String::new(), 0);
    for byte in body {
        match byte {
            b'0'..=b'9' => {
                digits.push(char::from(*byte));
                between = 0;
            }
            b' ' | b'-' | b'.' | b'(' | b')' | b'/' if !digits.is_empty() && between < BETWEEN => {
                between += 1;
            }
            _ => {
                if is_it(&digits) {
                    return true;
                }
                digits.clear();
                between = 0;
            }
        }
    }
    is_it(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> SubjectKeys {
        SubjectKeys {
            email: Some(Email::parse("ada@example.com").unwrap()),
            phone: Some(Phone::parse("+14155550100").unwrap()),
            crm_ids: vec![CrmId::new("0035g00000XyZab").unwrap(), CrmId::new("101").unwrap()],
        }
    }

    #[test]
    fn a_body_names_somebody_however_it_is_written() {
        for body in [
            r#"{"to":"Ada@Example.com"}"#,
            "mail=ada%40example.com&x=1",
            "tel +14155550100",
            r#"{"tel":"(415) 555-0100"}"#,
            "call 001 415.555.0100 now",
            "415-555-0100",
            r#"{"who":"0035g00000XyZab"}"#,
        ] {
            assert!(names(body.as_bytes(), &ada()), "{body}");
        }
    }

    #[test]
    fn what_is_like_a_name_is_none() {
        for body in [
            "bob@example.com",
            r#"{"n":101}"#,
            "555-0100",
            "+14155550101",
            "914155550100",
            "4,155,550,100",
            "x0035g00000XyZab9",
            "",
        ] {
            assert!(!names(body.as_bytes(), &ada()), "{body}");
        }
    }
}
