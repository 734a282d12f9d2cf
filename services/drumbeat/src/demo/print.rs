//! How the story is told: a line each, with business time in front.

use std::sync::Arc;

use domain::time::BusinessClock;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ports::clock::Clock;

use crate::exit::Outcome;
use crate::output;

/// Where the story plays: the zone of the deployment's defaults, and of nearly all of its people.
const ZONE: &str = "America/New_York";

/// Who speaks in a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Voice {
    /// The website's forms.
    Website,
    /// The mail system.
    Mail,
    /// What the CRM received.
    Crm,
    /// A rep at work in the CRM.
    Rep,
}

impl Voice {
    fn as_str(self) -> &'static str {
        match self {
            Self::Website => "website",
            Self::Mail => "mail",
            Self::Crm => "CRM",
            Self::Rep => "rep",
        }
    }
}

/// Prints the story.
pub(super) struct Teller {
    zone: TimeZone,
    business: BusinessClock,
    clock: Arc<dyn Clock>,
}

impl Teller {
    pub(super) fn new(business: BusinessClock, clock: Arc<dyn Clock>) -> Self {
        // Zones are compiled in; UTC only stands in for one that was renamed.
        Self { zone: TimeZone::get(ZONE).unwrap_or(TimeZone::UTC), business, clock }
    }

    /// Business time.
    pub(super) fn now(&self) -> Timestamp {
        self.business.business(self.clock.now())
    }

    /// What happened at a moment of business time.
    pub(super) fn at(&self, at: Timestamp, voice: Voice, text: &str) -> Outcome {
        let day = at.to_zoned(self.zone.clone()).strftime("%a %d %b %H:%M").to_string();
        output::line(&format!("  {day}  {:<8} {text}", voice.as_str()))
    }
}

/// A heading.
pub(super) fn act(title: &str) -> Outcome {
    output::line(&format!("\n{title}"))
}
