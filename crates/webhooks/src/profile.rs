//! How a provider wants to be answered.

use std::time::Duration;

/// What a provider expects beyond the body: see docs/sources.md for where each is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Headers that every request of it carries; others are not from it.
    pub required_headers: &'static [&'static str],
    /// The status of success.
    pub success: u16,
    /// The time after which it gives up on an answer and counts a failure.
    pub deadline: Duration,
    /// When the event cannot be taken now and must be sent again.
    pub overload: Overload,
    /// When requests come faster than the source's configured rate.
    pub over_rate: Overload,
    /// What it asks before it sends events.
    pub handshake: Handshake,
}

/// An answer upon which the provider sends the event again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overload {
    /// 503 with `Retry-After`.
    Unavailable {
        /// In how long it may try again.
        retry_after: Duration,
    },
    /// 429 with `Retry-After`.
    TooManyRequests {
        /// In how long it may try again.
        retry_after: Duration,
    },
    /// No answer at all: the provider takes every one for a delivery.
    Silence,
}

/// What a provider asks before it sends events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// Nothing.
    None,
    /// `OPTIONS` with `WebHook-Request-Origin`, as the CloudEvents webhook specification has it.
    CloudEvents,
}

impl Profile {
    /// What suits a sender of which nothing special is known.
    pub(crate) const DEFAULT: Self = Self {
        required_headers: &[],
        success: 202,
        deadline: Duration::from_secs(10),
        overload: Overload::Unavailable { retry_after: Duration::from_secs(5) },
        over_rate: Overload::TooManyRequests { retry_after: Duration::from_secs(1) },
        handshake: Handshake::None,
    };
}
