//! A request as it arrived.

use std::fmt;

use jiff::Timestamp;

/// A request, its body unchanged by anyone.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// What follows `?`, undecoded; empty without one.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a Headers,
    /// The raw bytes.
    pub body: &'a [u8],
    /// When it was accepted, in wall-clock time.
    pub received_at: Timestamp,
}

impl Request<'_> {
    /// The decoded value of a query parameter; none when it is missing or given twice.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut found = None;
        for (key, value) in url::form_urlencoded::parse(self.query.as_bytes()) {
            if key == name && found.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        found
    }

    /// The media type without parameters, in lower case.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let written = self.headers.get("content-type")?;
        let bare = written.split(';').next().unwrap_or_default().trim();
        (!bare.is_empty()).then(|| bare.to_ascii_lowercase())
    }

    /// The `charset` parameter of the media type, in lower case.
    #[must_use]
    pub fn charset(&self) -> Option<String> {
        let written = self.headers.get("content-type")?;
        written.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("charset").then(|| value.to_ascii_lowercase())
        })
    }
}

/// Header names and values. Names are compared without case.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }

    /// The value of a header that is there exactly once and reads as text.
    ///
    /// A repeated header counts as absent: two readers could each trust another one of its values.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        if values.next().is_some() {
            return None;
        }
        std::str::from_utf8(value).ok().map(str::trim)
    }

    /// Whether a header is there at all.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// Names in lower case, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

impl<N: AsRef<str>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.push(name.as_ref(), value);
        }
        headers
    }
}

// Values hold tokens and signatures: debug output shows names alone.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(headers: &'a Headers, query: &'a str) -> Request<'a> {
        Request { method: "POST", query, headers, body: b"", received_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_header_is_found_whatever_its_case_unless_it_is_repeated() {
        let headers: Headers = [("X-One", "1"), ("x-two", "a"), ("X-Two", "b")].into_iter().collect();

        assert_eq!(headers.get("x-ONE"), Some("1"));
        assert_eq!(headers.get("X-Two"), None);
        assert!(headers.contains("X-TWO"));
    }

    #[test]
    fn a_query_parameter_is_decoded_and_may_be_given_once() {
        let headers = Headers::new();

        assert_eq!(request(&headers, "a=1&token=s%2B1").parameter("token").as_deref(), Some("s+1"));
        assert_eq!(request(&headers, "token=1&token=2").parameter("token"), None);
    }

    #[test]
    fn a_content_type_is_read_in_its_parts() {
        let headers: Headers =
            [("Content-Type", "Application/JSON; Charset=\"UTF-8\"")].into_iter().collect();
        let request = request(&headers, "");

        assert_eq!(request.media_type().as_deref(), Some("application/json"));
        assert_eq!(request.charset().as_deref(), Some("utf-8"));
    }

    #[test]
    fn debug_output_hides_the_values() {
        let headers: Headers = [("Authorization", "Bearer hunter2")].into_iter().collect();

        assert!(!format!("{headers:?}").contains("hunter2"));
    }
}
