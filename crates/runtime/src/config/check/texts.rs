//! Rules for single texts.

use std::net::IpAddr;

use url::Host;
use url::Url;

/// Judges a URL that is to be called or signed. The text itself is never repeated, since it may hold a
/// secret.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|error| format!("this is not a URL ({error}); write https://host/path"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the scheme must be https or http".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "it carries credentials, which do not belong in a URL; a connector takes them in auth".to_owned()
        );
    }
    if url.host().is_none() {
        return Err("it has no host".to_owned());
    }
    Ok(url)
}

/// Whether the URL names an address of this machine or of a private network outright.
pub(super) fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        Some(Host::Ipv6(v6)) => {
            IpAddr::V6(v6).is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// A JSON pointer of RFC 6901.
pub(super) fn is_pointer(text: &str) -> bool {
    let tilde = |rest: &str| rest.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    text.is_empty() || (text.starts_with('/') && tilde(text))
}

/// `host:port`.
pub(super) fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains([' ', '/', ',']) && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// A duration as cadence files write it, without business days.
pub(super) fn is_cadence_duration(text: &str) -> bool {
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    number.parse::<u32>().is_ok_and(|number| number > 0) && matches!(unit, "s" | "m" | "h" | "d" | "w")
}

/// A time of day as `HH:MM`, in minutes; 24:00 is the end of the day.
pub(super) fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let total = hours.parse::<u32>().ok()? * 60 + minutes.parse::<u32>().ok()?;
    (minutes < "60" && total <= 24 * 60).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_judged_without_being_repeated() {
        for text in
            ["", "crm", "ftp://x/", "https://user:hunter2@x/", "https://hunter2@x/", "mailto:hunter2@x"]
        {
            let message = http_url(text).expect_err(text);

            assert!(!message.contains("hunter2"), "{message}");
        }
        assert!(http_url("https://crm.example.com/api").is_ok());
    }

    #[test]
    fn private_hosts_are_seen() {
        for (text, private) in [
            ("http://127.0.0.1/", true),
            ("http://10.1.2.3/", true),
            ("http://localhost:8080/", true),
            ("http://[::1]/", true),
            ("http://[fd00::1]/", true),
            ("https://8.8.8.8/", false),
            ("https://crm.example.com/", false),
        ] {
            assert_eq!(http_url(text).map(|url| is_private(&url)), Ok(private), "{text}");
        }
    }

    #[test]
    fn small_texts_are_judged() {
        for (text, good) in
            [("", true), ("/a/0", true), ("/a~0b~1", true), ("a", false), ("/a~2", false), ("/~", false)]
        {
            assert_eq!(is_pointer(text), good, "{text}");
        }
        for (text, good) in [
            ("k:9092", true),
            ("[::1]:9092", true),
            ("k", false),
            (":1", false),
            ("k:0", false),
            ("a,b:1", false),
        ] {
            assert_eq!(is_host_port(text), good, "{text}");
        }
        for (text, good) in [
            ("7d", true),
            ("1w", true),
            ("90s", true),
            ("0d", false),
            ("3bd", false),
            ("7", false),
            ("d", false),
        ] {
            assert_eq!(is_cadence_duration(text), good, "{text}");
        }
        for (text, found) in [
            ("00:00", Some(0)),
            ("17:30", Some(1050)),
            ("24:00", Some(1440)),
            ("24:01", None),
            ("9:00", None),
            ("09:60", None),
            ("noon", None),
        ] {
            assert_eq!(minutes(text), found, "{text}");
        }
    }
}
