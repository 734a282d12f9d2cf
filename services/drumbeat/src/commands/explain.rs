//! `explain`: why a contact is, or is not, where they are.

use domain::decision::{Cause, DecisionRecord};
use domain::enrollment::{Enrollment, Place};
use domain::touch::Timer;
use engine::Explanation;
use ports::queries::ContactView;
use serde_json::{Value, json};

use super::workbench::{Workbench, sentence};
use crate::cli::{ExplainArgs, Global};
use crate::exit::{Failure, Outcome};
use crate::output;

pub(super) async fn run(global: &Global, args: &ExplainArgs) -> Outcome {
    let bench = Workbench::open(global).await?;
    let found = engine::explain(bench.store.as_ref(), &bench.keys, &global.workspace, &args.contact).await?;
    let Some(found) = found else {
        return Err(Failure::Refused(format!(
            "nothing is known of {:?} in workspace {}; was an event of theirs accepted? see `drumbeat quarantine list`",
            args.contact, global.workspace
        )));
    };
    output::show(global.output, &document(&found), || print(&found))
}

fn document(found: &Explanation) -> Value {
    let view = found.view.as_ref();
    json!({
        "contact": view.map(contact),
        "stops": found.stops,
        "enrollments": view.map_or_else(Vec::new, |view| view.enrollments.iter().map(|one| enrollment(view, one)).collect()),
        "touches": view.map_or_else(Vec::new, |view| {
            view.touches.iter().map(|touch| json!({
                "key": touch.key, "step": touch.step, "visit": touch.visit, "channel": touch.channel, "state": touch.state,
                "due_at": touch.due_at, "sent_at": touch.sent_at, "completed_at": touch.completed_at,
                "outcome": touch.outcome, "note": touch.note,
            })).collect()
        }),
        "decisions": view.map_or_else(Vec::new, |view| view.decisions.iter().map(decision).collect()),
        "events": view.map_or_else(Vec::new, |view| {
            view.events.iter().map(|event| json!({
                "id": event.id, "kind": event.kind, "source": event.source, "occurred_at": event.occurred_at,
                "received_at": event.received_at, "actor": event.actor, "reason": event.detail.reason,
            })).collect()
        }),
    })
}

fn contact(view: &ContactView) -> Value {
    let contact = &view.contact;
    json!({
        "email": contact.email,
        "phone": contact.phone,
        "crm_ids": contact.crm_ids,
        "owner": contact.owner,
        "attributes": contact.attributes,
        "created_at": contact.created_at,
        "last_inbound_at": contact.last_inbound_at,
        "last_touch_at": contact.last_touch_at,
        "erased_at": contact.erased_at,
    })
}

fn enrollment(view: &ContactView, one: &Enrollment) -> Value {
    let timer = timer(view, one);
    json!({
        "id": one.uid,
        "cadence": one.cadence,
        "state": one.state,
        "outcome": one.outcome,
        "ended_by": one.ended_by,
        "entered_at": one.entered_at,
        "ended_at": one.ended_at,
        "step": step(one),
        "next": timer.map(|timer| json!({ "what": timer.kind, "at": timer.due_at, "held": timer.held })),
    })
}

fn timer<'a>(view: &'a ContactView, one: &Enrollment) -> Option<&'a Timer> {
    view.timers.iter().find(|timer| timer.owner == one.id.0)
}

fn step(one: &Enrollment) -> Option<&str> {
    match &one.progress.place {
        Place::Touch { step, .. } | Place::Wait { step, .. } => Some(step.as_str()),
        Place::Ending { .. } | Place::Over => None,
    }
}

fn decision(record: &DecisionRecord) -> Value {
    json!({
        "at": record.at,
        "cause": record.cause,
        "items": record.items,
        "text": record.items.iter().map(sentence).collect::<Vec<_>>(),
    })
}

fn print(found: &Explanation) {
    for stop in &found.stops {
        let what = stop.channel.map_or_else(|| "all channels".to_owned(), |channel| channel.to_string());
        output::say!("STOPPED  {} for {what}: {} since {}", stop.of, stop.reason, output::moment(stop.at));
    }
    let Some(view) = &found.view else {
        output::say!("no contact yet: only the stops above are known");
        return;
    };
    for one in &view.enrollments {
        let place = step(one).map(|step| format!(" at {step}")).unwrap_or_default();
        let ended = one.ended_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let outcome = one.outcome.map(|outcome| format!(", outcome {outcome}")).unwrap_or_default();
        let next = timer(view, one)
            .map(|timer| {
                let held = timer.held.map(|held| format!(" (held: {held})")).unwrap_or_default();
                format!("; next {} at {}{held}", timer.kind, output::moment(timer.due_at))
            })
            .unwrap_or_default();
        output::say!("{}  {}{place}{ended}{outcome}{next}", one.state.as_str().to_uppercase(), one.cadence);
    }
    output::say!("");
    for record in &view.decisions {
        output::say!(
            "{}  {}{}",
            output::moment(record.at),
            cause(&record.cause),
            who_and_why(view, &record.cause)
        );
        for item in &record.items {
            output::say!("    {}", sentence(item));
        }
    }
}

/// Who made the event that set a decision off, and why, where they said so.
fn who_and_why(view: &ContactView, cause: &Cause) -> String {
    let Cause::Event { id, .. } = cause else { return String::new() };
    let Some(event) = view.events.iter().find(|event| event.id == *id) else { return String::new() };
    let who = event.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
    let why = event.detail.reason.as_ref().map(|reason| format!(", {reason:?}")).unwrap_or_default();
    format!("{who}{why}")
}

/// What set a decision off, in words.
pub(crate) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Event { kind, source, id, .. } => format!("{kind} from {source} ({id})"),
        Cause::Timer { .. } => "a timer".to_owned(),
        Cause::Touch { .. } => "a touch".to_owned(),
    }
}
