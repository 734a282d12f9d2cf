//! Headers as one blob: each name and value after its length (32 bits, little-endian).

use std::collections::BTreeMap;

/// Packs headers.
pub(super) fn pack(headers: &BTreeMap<String, String>) -> Vec<u8> {
    let mut packed =
        Vec::with_capacity(headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum());
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        // Messages are limited to far less than 4 GiB before they come here.
        packed.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        packed.extend_from_slice(text.as_bytes());
    }
    packed
}

/// Unpacks headers; `None` when the blob is damaged.
pub(super) fn unpack(mut packed: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    while !packed.is_empty() {
        let name = take(&mut packed)?;
        let value = take(&mut packed)?;
        headers.insert(name, value);
    }
    Some(headers)
}

fn take(packed: &mut &[u8]) -> Option<String> {
    let (length, rest) = packed.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *packed = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_damage_is_seen() {
        let headers = BTreeMap::from([("ce_id".to_owned(), "ü✓".to_owned()), (String::new(), String::new())]);

        let packed = pack(&headers);

        assert_eq!(unpack(&packed), Some(headers));
        assert_eq!(unpack(&[]), Some(BTreeMap::new()));
        assert_eq!(unpack(&packed[..packed.len() - 1]), None);
        assert_eq!(unpack(&[255, 255, 255, 255, 1]), None);
    }
}
