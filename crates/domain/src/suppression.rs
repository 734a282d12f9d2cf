//! What may not be sent, to whom: the state that outlives everything else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::touch::Channel;

/// What a statement about consent covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Option<Channel>", into = "Option<Channel>")]
pub enum Reach {
    /// Every channel.
    All,
    /// One channel.
    Channel(Channel),
}

impl From<Option<Channel>> for Reach {
    fn from(channel: Option<Channel>) -> Self {
        channel.map_or(Self::All, Self::Channel)
    }
}

impl From<Reach> for Option<Channel> {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::All => None,
            Reach::Channel(channel) => Some(channel),
        }
    }
}

/// What was said last about a reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Do not contact.
    Stopped(StopReason),
    /// May be contacted again.
    Given,
}

/// Why a reach is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The address does not exist.
    HardBounce,
    /// The person opted out.
    OptOut,
    /// The person complained of spam.
    Complaint,
    /// A user suppressed it by hand.
    Manual,
    /// The person was erased.
    Erased,
}

/// A statement and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What was said.
    pub consent: Consent,
    /// When, as the event says.
    pub at: Timestamp,
}

/// The latest statement of each reach, of an identity or of a contact.
///
/// Statements commute: whatever the order in which they arrive, and however often, the same set results. The later one
/// wins; at the same instant a stop wins, and of two stops the graver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Suppressions {
    statements: BTreeMap<String, Statement>,
}

/// The name under which the statement about all channels is kept.
const ALL: &str = "*";

/// What follows the channel's name where a hard bounce is kept: it is of the address alone, so that it must never hide
/// what the person said of the channel, whichever came first.
const BOUNCE: &str = "!bounce";

fn name(reach: Reach) -> &'static str {
    match reach {
        Reach::All => ALL,
        Reach::Channel(channel) => channel.as_str(),
    }
}

fn slot(reach: Reach, statement: &Statement) -> String {
    match statement.consent {
        Consent::Stopped(StopReason::HardBounce) => format!("{}{BOUNCE}", name(reach)),
        _ => name(reach).to_owned(),
    }
}

impl Suppressions {
    /// Takes a statement into account; says whether anything changed.
    pub fn state(&mut self, reach: Reach, statement: Statement) -> Changed {
        let slot = self.statements.entry(slot(reach, &statement));
        match slot {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(statement);
                Changed::Yes
            }
            std::collections::btree_map::Entry::Occupied(mut held) => {
                if rank(&statement) > rank(held.get()) {
                    held.insert(statement);
                    Changed::Yes
                } else {
                    Changed::No
                }
            }
        }
    }

    /// Takes over all statements of another set.
    pub fn merge(&mut self, other: &Self) -> Changed {
        let mut changed = Changed::No;
        for (reach, statement) in other.iter() {
            if self.state(reach, *statement) == Changed::Yes {
                changed = Changed::Yes;
            }
        }
        changed
    }

    /// Why a channel may not be used, if so: the later of what was said of it and of all channels.
    #[must_use]
    pub fn stop(&self, channel: Channel) -> Option<StopReason> {
        let bounce = format!("{}{BOUNCE}", channel.as_str());
        let latest = [ALL, channel.as_str(), &bounce]
            .into_iter()
            .filter_map(|name| self.statements.get(name))
            .max_by_key(|statement| rank(statement))?;
        match latest.consent {
            Consent::Stopped(reason) => Some(reason),
            Consent::Given => None,
        }
    }

    /// Why nothing at all may be sent, if so: stopped on all channels, and no later consent for any.
    #[must_use]
    pub fn stop_all(&self) -> Option<StopReason> {
        match self.statements.get(ALL)?.consent {
            Consent::Stopped(reason) => {
                let all_stopped = Channel::ALL.into_iter().all(|channel| self.stop(channel).is_some());
                all_stopped.then_some(reason)
            }
            Consent::Given => None,
        }
    }

    /// Whether nothing was ever said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// All statements.
    pub fn iter(&self) -> impl Iterator<Item = (Reach, &Statement)> {
        self.statements.iter().filter_map(|(name, statement)| {
            let name = name.strip_suffix(BOUNCE).unwrap_or(name);
            let reach = if name == ALL { Reach::All } else { Reach::Channel(Channel::parse(name)?) };
            Some((reach, statement))
        })
    }
}

/// Whether a call changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It did.
    Yes,
    /// It did not.
    No,
}

/// Later wins; at one instant a stop beats consent, and a graver stop a lesser one.
fn rank(statement: &Statement) -> (Timestamp, Option<StopReason>) {
    let stop = match statement.consent {
        Consent::Stopped(reason) => Some(reason),
        Consent::Given => None,
    };
    (statement.at, stop)
}
