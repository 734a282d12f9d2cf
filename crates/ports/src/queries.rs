//! Reading for people: explain, tasks, tail. Never on a hot path.

use async_trait::async_trait;
use domain::contact::Contact;
use domain::decision::DecisionRecord;
use domain::enrollment::Enrollment;
use domain::event::Event;
use domain::id::{ContactId, EnrollmentUid, OwnerName, TouchKey, Workspace};
use domain::identity::IdentityKey;
use domain::suppression::Suppressions;
use domain::touch::{Channel, Timer, Touch, TouchState};
use jiff::Timestamp;

use crate::error::StoreResult;

/// Which tasks to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Only of this owner.
    pub owner: Option<OwnerName>,
    /// Only on this channel.
    pub channel: Option<Channel>,
    /// Only in this state; absent: open ones.
    pub state: Option<TouchState>,
    /// Only of this contact.
    pub contact: Option<ContactId>,
    /// At most this many; 0: the store's usual page.
    pub limit: usize,
}

/// A touch with what a person needs to see of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// The touch.
    pub touch: Touch,
    /// The enrollment.
    pub enrollment: Enrollment,
    /// The contact.
    pub contact: Contact,
    /// The request as it was sent, if it was.
    pub body: Option<Vec<u8>>,
}

/// A task that stays at its CRM though it was to be taken back: that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftTask {
    /// The task.
    pub task: TaskView,
    /// Why it was given up.
    pub why: String,
    /// When it was given up (wall time).
    pub since: Timestamp,
}

/// Everything about one contact.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactView {
    /// The contact.
    pub contact: Contact,
    /// The stops on their identities.
    pub suppressions: Vec<(IdentityKey, Suppressions)>,
    /// Their enrollments, newest first.
    pub enrollments: Vec<Enrollment>,
    /// Their touches, oldest first.
    pub touches: Vec<Touch>,
    /// The timers of their live enrollments.
    pub timers: Vec<Timer>,
    /// What was decided, oldest first.
    pub decisions: Vec<DecisionRecord>,
    /// Their events, oldest first.
    pub events: Vec<Event>,
}

/// Reading for people.
#[async_trait]
pub trait Queries: Send + Sync {
    /// The contact behind an identity (aliases of merged ones lead to the one that stayed).
    async fn contact_by_identity(&self, key: &IdentityKey) -> StoreResult<Option<ContactId>>;

    /// Everything about one contact.
    async fn contact(&self, workspace: &Workspace, contact: ContactId) -> StoreResult<Option<ContactView>>;

    /// The stops on an identity, contact or none.
    async fn suppressions(&self, keys: &[IdentityKey]) -> StoreResult<Vec<(IdentityKey, Suppressions)>>;

    /// An enrollment by its outside name.
    async fn enrollment(&self, workspace: &Workspace, uid: EnrollmentUid) -> StoreResult<Option<Enrollment>>;

    /// Tasks, the earliest due first.
    async fn tasks(&self, workspace: &Workspace, filter: &TaskFilter) -> StoreResult<Vec<TaskView>>;

    /// Tasks that stay at their CRM since taking them back was given up, the last to be given up first; as long as answered
    /// commands are kept.
    async fn left_tasks(&self, workspace: &Workspace, limit: usize) -> StoreResult<Vec<LeftTask>>;

    /// A task by its key.
    async fn task(&self, workspace: &Workspace, key: TouchKey) -> StoreResult<Option<TaskView>>;

    /// Decisions after a row id, oldest first, with their rows: for `tail`. `None`: the newest ones.
    async fn decisions_after(
        &self,
        workspace: &Workspace,
        after: Option<i64>,
        limit: usize,
    ) -> StoreResult<Vec<(i64, DecisionRecord)>>;

    /// The workspaces in which something is stored: people or content.
    async fn workspaces(&self) -> StoreResult<Vec<String>>;

    /// The owners whom contacts or touches of a workspace have.
    async fn owners(&self, workspace: &Workspace) -> StoreResult<Vec<String>>;

    /// An event by its digest.
    async fn event(
        &self,
        workspace: &Workspace,
        source: &str,
        digest: domain::id::Digest,
    ) -> StoreResult<Option<Event>>;

    /// Counts for a summary: live enrollments, open tasks, scheduled, failed and unknown touches.
    async fn summary(&self, workspace: &Workspace) -> StoreResult<Summary>;
}

/// See [`Queries::summary`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Contacts, aliases left out.
    pub contacts: i64,
    /// Live and paused enrollments.
    pub live: i64,
    /// Open tasks.
    pub open: i64,
    /// Touches scheduled.
    pub scheduled: i64,
    /// Touches that failed.
    pub failed: i64,
    /// Touches whose outcome is unknown.
    pub unknown: i64,
}
