//! What commands that talk to the store work with.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::decision::{Decision, DecisionRecord};
use domain::id::{EnrollmentUid, SourceName};
use domain::identity::{CrmId, Email, HashKeys, Phone, SubjectKeys};
use engine::{Act, Action, Actor, CRM_ID, Catalogs, People, Subject};
use ports::clock::Clock;
use ports::queries::Queries as _;
use runtime::config::Config;
use store::Store;

use super::{actor, usage};
use crate::cli::Global;
use crate::exit::Failure;
use crate::wiring::{self, SystemClock};

/// The store and what stands around it, opened for one command.
pub(super) struct Workbench {
    pub(super) config: Config,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) store: Arc<Store>,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) keys: HashKeys,
}

impl Workbench {
    pub(super) async fn open(global: &Global) -> Result<Self, Failure> {
        let config = wiring::load(global, &[])?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let missing = config.store.url.sqlite_path().filter(|path| !path.exists());
        let store = wiring::open_store(&config, &clock, "cli").await?;
        if let Some(path) = missing {
            eprintln!(
                "note: there was no store yet; {} is new and empty (is this the right folder?)",
                path.display()
            );
        }
        let known = workspaces(&config, &store).await?;
        let asked = global.workspace.as_str();
        if !known.iter().any(|name| name == asked) {
            eprintln!(
                "note: nothing is stored in workspace {asked}, and no source or connector names it; {}",
                crate::output::known_names(asked, &known)
            );
        }
        let catalogs = Arc::new(Catalogs::new(Arc::<Store>::clone(&store), wiring::defaults(&config)?));
        let keys = wiring::keys(&config)?;
        Ok(Self { config, clock, store, catalogs, keys })
    }

    /// The workspaces that are configured, or in which something is stored.
    pub(super) async fn workspaces(&self) -> Result<Vec<String>, Failure> {
        workspaces(&self.config, &self.store).await
    }

    /// Lets the person at the keyboard act.
    pub(super) async fn act(
        &self,
        global: &Global,
        subject: Subject,
        action: Action,
    ) -> Result<Vec<DecisionRecord>, Failure> {
        let act = self.act_of(global, subject, action)?;
        Ok(self.people().act(act).await?)
    }

    pub(super) fn act_of(&self, global: &Global, subject: Subject, action: Action) -> Result<Act, Failure> {
        let via = SourceName::new("cli").map_err(|error| usage(error.to_string()))?;
        Ok(Act {
            workspace: global.workspace.clone(),
            actor: Actor { name: actor(), via },
            id: wiring::fresh_id(),
            at: self.clock.now(),
            subject,
            action,
        })
    }

    /// A person for what would make one, or stop one. A bare word is taken for a CRM id only where somebody is known by it: else a
    /// mistyped address would be stopped, and its owner not.
    pub(super) async fn person(&self, global: &Global, who: &str) -> Result<SubjectKeys, Failure> {
        let keys = person(who)?;
        if keys.crm_ids.is_empty() || who.starts_with(CRM_ID) {
            return Ok(keys);
        }
        let store = self.store.as_ref();
        if engine::explain(store, &self.keys, &global.workspace, who).await?.is_some() {
            return Ok(keys);
        }
        Err(usage(format!(
            "{who:?} is no e-mail address (it has no @) and no phone number (it does not begin with +), and nobody is known by it as a \
             CRM id; if it is one, write {CRM_ID}{who}"
        )))
    }

    pub(super) fn people(&self) -> People {
        People::new(Arc::<Store>::clone(&self.store), Arc::clone(&self.catalogs))
    }
}

async fn workspaces(config: &Config, store: &Store) -> Result<Vec<String>, Failure> {
    let mut names: BTreeSet<String> = store.workspaces().await?.into_iter().collect();
    names.insert(domain::id::Workspace::main().to_string());
    names.extend(config.sources.iter().map(|source| source.workspace.to_string()));
    names.extend(config.connectors.iter().map(|connector| connector.workspace.to_string()));
    Ok(names.into_iter().collect())
}

/// An enrollment's id, or a person.
pub(super) fn subject(who: &str) -> Result<Subject, Failure> {
    match uuid::Uuid::try_parse(who) {
        Ok(uid) => Ok(Subject::Enrollment(EnrollmentUid(uid))),
        Err(_) => Ok(Subject::Contact(person(who)?)),
    }
}

/// A person, by e-mail address, phone number or CRM id.
pub(super) fn person(who: &str) -> Result<SubjectKeys, Failure> {
    let mut keys = SubjectKeys::default();
    if who.contains('@') {
        keys.email = Some(Email::parse(who).map_err(|error| usage(format!("{who:?}: {error}")))?);
    } else if who.starts_with('+') {
        keys.phone = Some(Phone::parse(who).map_err(|error| usage(format!("{who:?}: {error}")))?);
    } else {
        let id = who.strip_prefix(CRM_ID).unwrap_or(who);
        keys.crm_ids = vec![CrmId::new(id).map_err(|error| usage(format!("{who:?}: {error}")))?];
    }
    Ok(keys)
}

/// What was decided, in sentences; and whether anything was refused or ignored.
pub(super) fn sentences(records: &[DecisionRecord]) -> (Vec<String>, Verdict) {
    let mut lines = Vec::new();
    let mut verdict = Verdict::Done;
    for item in records.iter().flat_map(|record| &record.items) {
        lines.push(sentence(item));
        if matches!(item, Decision::Refused { .. } | Decision::Ignored { .. }) {
            verdict = Verdict::Refused;
        }
    }
    (lines, verdict)
}

/// Whether what a person asked for was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    Refused,
}

/// A decision in words.
pub(crate) fn sentence(decision: &Decision) -> String {
    match decision {
        Decision::Ignored { why } => format!("ignored ({}): {}", why.code, why.text),
        Decision::Noted { what } => format!("{}: {}", what.code, what.text),
        Decision::Enrolled { cadence, version, enrollment } => {
            format!("entered {cadence} (version {version}) as {enrollment}")
        }
        Decision::Refused { cadence, refusal } => {
            format!(
                "not entered {cadence}: {}: expected {}, saw {}",
                refusal.rule, refusal.expected, refusal.seen
            )
        }
        Decision::Ended { cadence, state, rule, outcome, .. } => {
            format!("{state} from {cadence} by {rule}, outcome {outcome}")
        }
        Decision::Paused { by, until: Some(until), .. } => format!("paused by {by} until {until:.0}"),
        Decision::Paused { by, until: None, .. } => format!("paused by {by} until resumed"),
        Decision::Resumed { by, .. } => format!("goes on, by {by}"),
        Decision::Advanced { from, to, why, .. } => {
            let name = |step: &Option<domain::id::StepId>, none: &str| {
                step.as_ref().map_or_else(|| none.to_owned(), ToString::to_string)
            };
            format!("{} -> {} ({})", name(from, "start"), name(to, "end"), why.code)
        }
        Decision::Scheduled { step, due_at, shifts, .. } => {
            let why = shifts.last().map(|shift| format!(" ({})", shift.text)).unwrap_or_default();
            format!("{step} is due {due_at:.0}{why}")
        }
        Decision::Touched { step, what, .. } => format!("{step}: {}: {}", what.code, what.text),
    }
}
