//! Looking until something is so: the demo waits for what it promises, and says what did not happen.

use std::sync::Arc;
use std::time::Duration;

use domain::decision::{Decision, Refusal, RefusalRule};
use domain::enrollment::{Enrollment, EnrollmentState};
use domain::id::Workspace;
use domain::identity::HashKeys;
use engine::Explanation;
use ports::relay::{AsideList, Asides as _, SetAside};
use store::Store;

use super::Missed;
use super::crm::{Crm, Record};

/// How long anything may take, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the store is asked. The CRM tells by itself.
const POLL: Duration = Duration::from_millis(25);

/// Looks at what came about, in the store and in the CRM.
pub(super) struct Lookout {
    store: Arc<Store>,
    keys: HashKeys,
    crm: Arc<Crm>,
}

impl Lookout {
    pub(super) fn new(store: Arc<Store>, keys: HashKeys, crm: Arc<Crm>) -> Self {
        Self { store, keys, crm }
    }

    /// Waits until the CRM's tasks satisfy `look`.
    pub(super) async fn crm<T>(
        &self,
        what: &str,
        look: impl Fn(&[Record]) -> Option<T>,
    ) -> Result<T, Missed> {
        let mut changes = self.crm.changes();
        let waiting = async {
            loop {
                if let Some(found) = look(&self.crm.records()) {
                    return Ok(found);
                }
                if changes.changed().await.is_err() {
                    return Err(Missed("the CRM is gone".to_owned()));
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| Err(missed(what)))
    }

    /// Waits for a task of a step.
    pub(super) async fn task(&self, step: &str, email: &str) -> Result<Record, Missed> {
        let of = |record: &&Record| record.text("step") == step && record.email() == email;
        self.crm(&format!("the task {step} for {email}"), |records| records.iter().find(of).cloned()).await
    }

    /// Waits until a rep has worked the task of a step.
    pub(super) async fn worked(&self, step: &str, email: &str) -> Result<Record, Missed> {
        let of = |record: &&Record| {
            record.text("step") == step && record.email() == email && record.result.is_some()
        };
        self.crm(&format!("a rep's word on {step} for {email}"), |records| records.iter().find(of).cloned())
            .await
    }

    /// Waits until so many tasks of a person are withdrawn.
    pub(super) async fn withdrawn(&self, email: &str, count: usize) -> Result<(), Missed> {
        self.crm(&format!("{count} withdrawn tasks of {email}"), |records| {
            let gone =
                records.iter().filter(|record| record.email() == email && record.withdrawn.is_some()).count();
            (gone == count).then_some(())
        })
        .await
    }

    /// What is recorded of a person now, as `drumbeat explain` reads it.
    pub(super) async fn explanation(&self, email: &str) -> Result<Option<Explanation>, Missed> {
        engine::explain(self.store.as_ref(), &self.keys, &Workspace::main(), email)
            .await
            .map_err(|error| Missed(format!("the store cannot be read: {error}")))
    }

    /// Waits until what is recorded of a person satisfies `look`.
    pub(super) async fn person<T>(
        &self,
        email: &str,
        what: &str,
        look: impl Fn(&Explanation) -> Option<T>,
    ) -> Result<T, Missed> {
        let waiting = async {
            loop {
                if let Some(found) = self.explanation(email).await?.as_ref().and_then(&look) {
                    return Ok(found);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| Err(missed(&format!("{email}: {what}"))))
    }

    /// Waits until a person's only enrollment is in a state.
    pub(super) async fn enrollment(&self, email: &str, state: EnrollmentState) -> Result<Enrollment, Missed> {
        self.person(email, &format!("one enrollment, {state}"), |found| match enrollments(found) {
            [only] if only.state == state => Some(only.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until a person was refused by a rule, and gives what was recorded of it.
    pub(super) async fn refusal(&self, email: &str, rule: RefusalRule) -> Result<Refusal, Missed> {
        self.person(email, &format!("a refusal by {rule}"), |found| {
            decisions(found).find_map(|item| match item {
                Decision::Refused { refusal, .. } if refusal.rule == rule => Some(refusal.clone()),
                _ => None,
            })
        })
        .await
    }

    /// Waits until so much is in quarantine, and gives the newest.
    pub(super) async fn quarantined(&self, count: usize) -> Result<SetAside, Missed> {
        let waiting = async {
            loop {
                let rows = self.store.list(AsideList::Quarantine, &Workspace::main(), None, count + 1).await;
                let mut rows = rows.map_err(|error| Missed(format!("the store cannot be read: {error}")))?;
                if rows.len() == count && !rows.is_empty() {
                    return Ok(rows.swap_remove(0));
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let what = format!("{count} deliveries in quarantine");
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| Err(missed(&what)))
    }
}

/// A person's enrollments, newest first.
pub(super) fn enrollments(found: &Explanation) -> &[Enrollment] {
    found.view.as_ref().map_or(&[], |view| &view.enrollments)
}

/// Everything decided on a person, oldest first.
pub(super) fn decisions(found: &Explanation) -> impl Iterator<Item = &Decision> {
    found.view.iter().flat_map(|view| &view.decisions).flat_map(|record| &record.items)
}

fn missed(what: &str) -> Missed {
    Missed(format!("{what} did not come about within {} s", PATIENCE.as_secs()))
}
