//! Judging a URL before anything is sent.

use std::net::IpAddr;

use url::Host;
use url::Url;

use crate::address;
use crate::error::Error;
use crate::policy::AllowPrivate;

/// Parses `text` and refuses what may not be called: other schemes than http and https, credentials in the
/// URL, and addresses written out that lie in a forbidden range (the parser has turned decimal, octal,
/// hexadecimal and short forms into plain addresses by then). Names are judged when they resolve.
pub(crate) fn admit(text: &str, allow_private: AllowPrivate) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|error| Error::InvalidUrl { why: error.to_string() })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::InvalidUrl {
            why: format!("the scheme is {:?}, not http or https", url.scheme()),
        });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::InvalidUrl {
            why: "it carries credentials; use the connector's auth instead".to_owned(),
        });
    }
    let literal = match url.host() {
        None | Some(Host::Domain("")) => return Err(Error::InvalidUrl { why: "it has no host".to_owned() }),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
    };
    if let Some(literal) = literal {
        address::check(literal, allow_private)
            .map_err(|range| Error::Refused { host: literal.to_string(), range })?;
    }
    Ok(url)
}
