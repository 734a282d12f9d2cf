//! The signatures that a header offers.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const UNPADDED_TOO: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Base64 with `+` and `/` as a standard wants it (RFC 4648, section 4): padded. One signature has one text.
pub(crate) const BASE64_PADDED: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new());
/// The same as people write it, padded or not.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, UNPADDED_TOO);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, UNPADDED_TOO);

/// More signatures in one header than any rotation needs; the rest is not tried, so that a request costs bounded time.
pub(crate) const MOST: usize = 16;

/// How bytes are written in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Hex,
    Base64,
    Base64Url,
}

impl Encoding {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "hex" => Some(Self::Hex),
            "base64" => Some(Self::Base64),
            "base64url" => Some(Self::Base64Url),
            _ => None,
        }
    }

    /// The bytes; none when the text is not of this encoding.
    pub(crate) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => BASE64_PADDED.decode(text).ok(),
            Self::Base64Url => BASE64_URL.decode(text).ok(),
        }
    }
}

/// The parts of a header value that start with `prefix`, without it.
pub(crate) fn parts<'v>(
    value: &'v str,
    separator: Option<char>,
    prefix: &'v str,
) -> impl Iterator<Item = &'v str> {
    let listed = separator.into_iter().flat_map(move |separator| value.split(separator));
    let alone = separator.is_none().then_some(value);
    listed
        .chain(alone)
        .map(str::trim)
        .filter_map(move |part| part.strip_prefix(prefix))
        .filter(|part| !part.is_empty())
}
