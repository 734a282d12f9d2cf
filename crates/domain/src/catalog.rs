//! The content in force: cadences, templates, segments and calendars of every workspace.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::cadence::{Cadence, ExitScope, SharedCadence};
use crate::event::EventKind;
use crate::expr::Expression;
use crate::id::{CadenceName, CalendarName, SegmentName, TemplateName, VersionId, Workspace};
use crate::template::Template;
use crate::time::{Calendar, Limit, Window};
use crate::touch::Channel;

/// A template file: what is sent or said.
#[derive(Debug, Clone)]
pub struct TemplateSpec {
    /// Its name.
    pub name: TemplateName,
    /// The version of its stored text.
    pub version: VersionId,
    /// The channel that it is for.
    pub channel: Channel,
    /// The subject line.
    pub subject: Option<Template>,
    /// Plain text, or the script of a call.
    pub text: Option<Template>,
    /// HTML beside the text.
    pub html: Option<Template>,
    /// Fields that must be there, beside every field used without a default.
    pub requires: Vec<String>,
}

/// The content of one workspace.
#[derive(Debug, Clone, Default)]
pub struct WorkspaceContent {
    /// The current version of each cadence that accepts entries.
    pub active: HashMap<CadenceName, VersionId>,
    /// Every version that is active or has live enrollments.
    pub cadences: HashMap<VersionId, SharedCadence>,
    /// Templates by name.
    pub templates: HashMap<TemplateName, Arc<TemplateSpec>>,
    /// Segments by name.
    pub segments: HashMap<SegmentName, Expression>,
    /// Calendars by name.
    pub calendars: HashMap<CalendarName, Arc<Calendar>>,
    listening: HashMap<EventKind, Vec<SharedCadence>>,
    /// The kinds on which a rule looks at other contacts of the account; `None`: on every kind.
    watched: HashSet<Option<EventKind>>,
}

impl WorkspaceContent {
    /// Adds a cadence version.
    pub fn add_cadence(&mut self, cadence: Cadence, standing: Standing) {
        let cadence = Arc::new(cadence);
        let wide = cadence.exit.iter().filter(|rule| rule.scope != ExitScope::Contact);
        self.watched.extend(wide.map(|rule| rule.on));
        self.cadences.insert(cadence.version, Arc::clone(&cadence));
        if standing == Standing::Active {
            self.active.insert(cadence.name.clone(), cadence.version);
            let mut kinds: Vec<_> = cadence.entry_kinds().collect();
            kinds.sort_unstable();
            kinds.dedup();
            for kind in kinds {
                let listeners = self.listening.entry(kind).or_default();
                listeners.retain(|other| other.name != cadence.name);
                listeners.push(Arc::clone(&cadence));
                listeners.sort_by(|one, two| {
                    two.priority.cmp(&one.priority).then_with(|| one.name.cmp(&two.name))
                });
            }
        }
    }

    /// The active cadences with a trigger on a kind, the highest priority first: the candidates of its events.
    #[must_use]
    pub fn listeners(&self, kind: EventKind) -> &[SharedCadence] {
        self.listening.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The current version of a cadence.
    #[must_use]
    pub fn current(&self, name: &CadenceName) -> Option<&SharedCadence> {
        self.active.get(name).and_then(|version| self.cadences.get(version))
    }

    /// Whether any cadence in force has a rule that looks at other contacts of the account on this kind of event.
    #[must_use]
    pub fn watches_account(&self, kind: EventKind) -> bool {
        self.watched.contains(&None) || self.watched.contains(&Some(kind))
    }
}

/// Whether a cadence version takes entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the current one.
    Active,
    /// It only drains, or takes no entries for now.
    Draining,
}

/// What a deployment sets for all cadences.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// The zone of contacts of whom no zone is known.
    pub zone: jiff::tz::TimeZone,
    /// The window of cadences that have none.
    pub window: Window,
    /// Caps on every cadence's touches; the tighter of these and the cadence's own counts.
    pub per_contact: Vec<Limit<Channel>>,
    /// Caps on every owner's touches; likewise.
    pub per_owner: Vec<Limit<Channel>>,
    /// The channels that each connector carries out itself.
    pub delivers: HashMap<crate::id::ConnectorName, Vec<Channel>>,
}

/// The content of all workspaces, and the change count under which it was read.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The store's count of changes when this was read.
    pub epoch: i64,
    /// The deployment's settings.
    pub defaults: Defaults,
    /// By workspace.
    pub workspaces: HashMap<Workspace, WorkspaceContent>,
}

impl Catalog {
    /// An empty catalog.
    #[must_use]
    pub fn empty(defaults: Defaults) -> Self {
        Self { epoch: 0, defaults, workspaces: HashMap::new() }
    }

    /// The content of a workspace, if it has any.
    #[must_use]
    pub fn content(&self, workspace: &Workspace) -> Option<&WorkspaceContent> {
        self.workspaces.get(workspace)
    }

    /// A cadence version.
    #[must_use]
    pub fn cadence(&self, workspace: &Workspace, version: VersionId) -> Option<&SharedCadence> {
        self.content(workspace)?.cadences.get(&version)
    }
}
