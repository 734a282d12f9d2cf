//! The reckoning: how each enrollment ended, one of them explained, and the tasks counted.

use std::collections::BTreeSet;

use domain::cadence::Outcome;
use domain::decision::Decision;
use domain::enrollment::EnrollmentState;

use super::Missed;
use super::look::{decisions, enrollments};
use super::story::{ADA, BEN, CLEO, DAN, EVA, Person, Stage};
use crate::commands::workbench::sentence;
use crate::output;

/// How one person's cadence must have gone, and how many tasks it took.
struct Promise {
    person: &'static Person,
    state: Option<EnrollmentState>,
    by: Option<&'static str>,
    outcome: Option<Outcome>,
    tasks: usize,
    withdrawn: usize,
}

const PROMISES: [Promise; 5] = [
    Promise {
        person: &ADA,
        state: Some(EnrollmentState::Exited),
        by: Some("goal"),
        outcome: Some(Outcome::Success),
        tasks: 3,
        withdrawn: 0,
    },
    Promise {
        person: &BEN,
        state: Some(EnrollmentState::Exited),
        by: Some("replied"),
        outcome: Some(Outcome::Stopped),
        tasks: 2,
        withdrawn: 2,
    },
    Promise {
        person: &CLEO,
        state: Some(EnrollmentState::Exited),
        by: Some("unsubscribed"),
        outcome: Some(Outcome::Stopped),
        tasks: 2,
        withdrawn: 2,
    },
    // After the last mail the cadence waits for late answers.
    Promise {
        person: &DAN,
        state: Some(EnrollmentState::Live),
        by: None,
        outcome: None,
        tasks: 5,
        withdrawn: 0,
    },
    Promise { person: &EVA, state: None, by: None, outcome: None, tasks: 0, withdrawn: 0 },
];

/// Holds what is recorded against what the story promised, and tells it.
///
/// # Errors
/// The first promise that was not kept.
pub(super) async fn reckon(stage: &Stage) -> Result<(), Missed> {
    for promise in &PROMISES {
        let text = kept(stage, promise).await?;
        say(&format!("  {:<5} {text}", promise.person.first_name))?;
    }
    let records = stage.crm.records();
    let keys: BTreeSet<_> = records.iter().map(|record| &record.key).collect();
    let steps: BTreeSet<_> = records.iter().map(|record| (record.email(), record.text("step"))).collect();
    if keys.len() != records.len() || steps.len() != records.len() {
        return Err(Missed("a touch reached the CRM as two tasks".to_owned()));
    }
    let withdrawn = records.iter().filter(|record| record.withdrawn.is_some()).count();
    say(&format!(
        "  {} tasks reached the CRM, none of them twice; {withdrawn} were withdrawn",
        records.len()
    ))?;

    say(&format!("\nWhy is Cleo left alone? From `drumbeat explain {}`:", CLEO.email))?;
    let found = stage.lookout.explanation(CLEO.email).await?;
    let found = found.ok_or_else(|| Missed("nothing is known of Cleo".to_owned()))?;
    let telling = |item: &&Decision| match item {
        Decision::Enrolled { .. } | Decision::Ended { .. } | Decision::Refused { .. } => true,
        Decision::Noted { what } => what.code == "suppressed",
        _ => false,
    };
    for item in decisions(&found).filter(telling) {
        say(&format!("  {}", sentence(item)))?;
    }
    Ok(())
}

/// What became of one person, once it is what was promised.
async fn kept(stage: &Stage, promise: &Promise) -> Result<String, Missed> {
    let Promise { person, state, .. } = promise;
    let broken = |what: &str| Missed(format!("{}: {what}", person.email));
    let records: Vec<_> =
        stage.crm.records().into_iter().filter(|record| record.email() == person.email).collect();
    let withdrawn = records.iter().filter(|record| record.withdrawn.is_some()).count();
    if (records.len(), withdrawn) != (promise.tasks, promise.withdrawn) {
        return Err(broken(&format!("{} tasks, {withdrawn} withdrawn", records.len())));
    }
    let tasks = match promise.tasks {
        0 => "no task".to_owned(),
        count => format!("{count} tasks"),
    };
    let Some(state) = state else {
        let found = stage.lookout.explanation(person.email).await?;
        return match found.as_ref().map(enrollments) {
            None | Some([]) => Ok(format!("never entered, {tasks}")),
            Some(_) => Err(broken("entered though the audience refuses")),
        };
    };
    let ended = stage.lookout.enrollment(person.email, *state).await?;
    if ended.ended_by.as_deref() != promise.by || ended.outcome != promise.outcome {
        return Err(broken(&format!("ended by {:?} with {:?}", ended.ended_by, ended.outcome)));
    }
    Ok(match (promise.by, promise.outcome) {
        (Some(by), Some(outcome)) => format!("{state} by {by}, outcome {outcome}, {tasks}"),
        _ => format!("{state}, at the end of the cadence, waiting for a late answer, {tasks}"),
    })
}

fn say(text: &str) -> Result<(), Missed> {
    output::line(text).map_err(|error| Missed(error.to_string()))
}
