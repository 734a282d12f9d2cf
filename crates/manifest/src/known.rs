//! The names that a set of documents may use though it does not hold them: what is in the store already.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::Workspace;
use domain::touch::Channel;

use crate::document::{Body, Document, Kind};

/// Names of documents and connectors, by workspace.
#[derive(Debug, Clone, Default)]
pub struct Known {
    names: BTreeMap<(Workspace, Kind), BTreeSet<String>>,
    channels: BTreeMap<(Workspace, String), Channel>,
    segments: BTreeMap<(Workspace, String), String>,
    connectors: Option<BTreeSet<String>>,
}

impl Known {
    /// Nothing but what is linted together.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a stored document: its name, and what others must know of it.
    pub fn add(&mut self, document: &Document) {
        let key = (document.workspace.clone(), document.name.clone());
        match &*document.body {
            Body::Template(template) => {
                self.channels.extend(template.channel.get().map(|channel| (key.clone(), *channel)));
            }
            Body::Segment(segment) => {
                self.segments.extend(segment.when.get().map(|when| (key.clone(), when.0.clone())));
            }
            Body::Cadence { .. } | Body::Calendar(_) | Body::Unread => {}
        }
        self.add_name(document.workspace.clone(), document.kind, key.1);
    }

    /// With a name of which no more is known.
    pub fn add_name(&mut self, workspace: Workspace, kind: Kind, name: impl Into<String>) {
        self.names.entry((workspace, kind)).or_default().insert(name.into());
    }

    /// With the connectors of the deployment: a cadence that names another is then refused. `inbox` is always there.
    #[must_use]
    pub fn connectors(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into).chain(["inbox".to_owned()]);
        self.connectors = Some(names.collect());
        self
    }

    pub(crate) fn with(&self, documents: &[Document]) -> Self {
        let mut all = self.clone();
        for document in documents {
            all.add(document);
        }
        all
    }

    pub(crate) fn names(&self, workspace: &Workspace, kind: Kind) -> Vec<&str> {
        let names = self.names.get(&(workspace.clone(), kind));
        names.into_iter().flatten().map(String::as_str).collect()
    }

    pub(crate) fn channel(&self, workspace: &Workspace, template: &str) -> Option<Channel> {
        self.channels.get(&(workspace.clone(), template.to_owned())).copied()
    }

    /// The sources of the segments of a workspace.
    pub(crate) fn segments(&self, workspace: &Workspace) -> impl Iterator<Item = (&str, &str)> {
        self.segments
            .iter()
            .filter(move |((owner, _), _)| owner == workspace)
            .map(|((_, name), when)| (name.as_str(), when.as_str()))
    }

    pub(crate) fn connector_names(&self) -> Option<Vec<&str>> {
        self.connectors.as_ref().map(|names| names.iter().map(String::as_str).collect())
    }
}
