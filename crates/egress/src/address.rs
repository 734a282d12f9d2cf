//! Which IP addresses are whose: the table behind the guard.
//!
//! Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and its successors), the
//! well-known metadata addresses of cloud vendors.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use crate::policy::AllowPrivate;

/// Why an address is not a public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reserved {
    /// 10/8, 172.16/12, 192.168/16, `fc00::/7`, `fec0::/10`.
    #[error("a private network")]
    Private,
    /// 127/8, `::1`.
    #[error("this machine (loopback)")]
    Loopback,
    /// 100.64/10, the provider's side of carrier-grade NAT.
    #[error("carrier-grade NAT")]
    SharedNat,
    /// Addresses for documentation and benchmarks, and blocks that are assigned to nobody.
    #[error("a reserved or documentation range")]
    Unassigned,
    /// The metadata service of a cloud, which hands out credentials.
    #[error("a cloud metadata service")]
    Metadata,
    /// 169.254/16, `fe80::/10`.
    #[error("link-local")]
    LinkLocal,
    /// 0/8 and `::`, which many systems route to themselves.
    #[error("the unspecified address")]
    Unspecified,
    /// 224/4, `ff00::/8`, 255.255.255.255.
    #[error("multicast or broadcast")]
    Multicast,
}

impl Reserved {
    /// Whether `allow_private` opens this range.
    fn opens(self) -> bool {
        match self {
            Self::Private | Self::Loopback | Self::SharedNat | Self::Unassigned => true,
            Self::Metadata | Self::LinkLocal | Self::Unspecified | Self::Multicast => false,
        }
    }
}

/// Says whether a connection to `address` may be opened.
///
/// # Errors
/// The range that forbids it.
pub fn check(address: IpAddr, allow_private: AllowPrivate) -> Result<(), Reserved> {
    match reserved(address) {
        None => Ok(()),
        Some(range) if range.opens() && allow_private == AllowPrivate::Yes => Ok(()),
        Some(range) => Err(range),
    }
}

/// The special range that `address` lies in, looking through IPv6 forms that carry an IPv4 address; `None`
/// for a public one.
#[must_use]
pub fn reserved(address: IpAddr) -> Option<Reserved> {
    match address {
        IpAddr::V4(v4) => reserved_v4(v4),
        IpAddr::V6(v6) => reserved_v6(v6),
    }
}

/// Metadata addresses outside link-local: Alibaba, Azure's host agent, Oracle.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// Amazon's metadata service over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn reserved_v4(address: Ipv4Addr) -> Option<Reserved> {
    if METADATA_V4.contains(&address) {
        return Some(Reserved::Metadata);
    }
    match address.octets() {
        [0, ..] => Some(Reserved::Unspecified),
        [127, ..] => Some(Reserved::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Reserved::Private),
        [100, 64..=127, ..] => Some(Reserved::SharedNat),
        [169, 254, ..] => Some(Reserved::LinkLocal),
        [224..=239, ..] | [255, 255, 255, 255] => Some(Reserved::Multicast),
        [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [192, 31, 196, _]
        | [192, 52, 193, _]
        | [192, 175, 48, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [240..=255, ..] => Some(Reserved::Unassigned),
        _ => None,
    }
}

fn reserved_v6(address: Ipv6Addr) -> Option<Reserved> {
    if address == METADATA_V6 {
        return Some(Reserved::Metadata);
    }
    if address.is_unspecified() {
        return Some(Reserved::Unspecified);
    }
    if address.is_loopback() {
        return Some(Reserved::Loopback);
    }
    let segments = address.segments();
    if let Some(inner) = embedded_v4(segments) {
        // A form that leads to an IPv4 address is judged by that address.
        return reserved_v4(inner);
    }
    match segments {
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Some(Reserved::Private),
        [0xfe80..=0xfebf, ..] => Some(Reserved::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Reserved::Multicast),
        // Teredo, ORCHID, benchmarking and the other protocol blocks of 2001::/23, then documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(Reserved::Unassigned),
        [0x2000..=0x3fff, ..] => None,
        // Only 2000::/3 is given out to networks.
        _ => Some(Reserved::Unassigned),
    }
}

/// The IPv4 address inside mapped, compatible, translated, NAT64, 6to4 and ISATAP addresses.
fn embedded_v4(segments: [u16; 8]) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(join(high, low)),
        _ => None,
    }
}
