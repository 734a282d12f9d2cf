//! Hiding what must not be shown.

use url::Url;

/// `text` with the password of a URL replaced; anything else as it is.
pub(super) fn url(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.password().is_some() => {
            // What has a password has a host, so the replacement works; if it did not, nothing is shown.
            if url.set_password(Some("redacted")).is_ok() { url.into() } else { "redacted".to_owned() }
        }
        _ => text.to_owned(),
    }
}
