//! The rep: works tasks in the CRM as they come, and the CRM posts each result back as a webhook.

use std::collections::BTreeSet;
use std::convert::Infallible;

use super::Missed;
use super::crm::{Crm, Record};
use super::print::{Teller, Voice};
use super::senders::Senders;
use super::story::{ADA, DAN};

/// What the rep has to say of a task; `None`: the rep has not come to it.
fn result(record: &Record) -> Option<&'static str> {
    match (record.email(), record.text("step")) {
        (email, "call-now") if email == ADA.email || email == DAN.email => Some("no_answer"),
        (email, "confirm" | "follow" | "last-mail") if email == ADA.email || email == DAN.email => {
            Some("done")
        }
        (email, "hot-call") if email == ADA.email => Some("meeting_booked"),
        (email, "last-call") if email == DAN.email => Some("wrong_number"),
        _ => None,
    }
}

/// Works until nobody waits for it any more.
pub(super) async fn work(crm: &Crm, senders: &Senders, teller: &Teller) -> Result<Infallible, Missed> {
    let mut changes = crm.changes();
    let mut seen = BTreeSet::new();
    loop {
        for record in crm.records() {
            let Some(result) = result(&record) else { continue };
            if !seen.insert(record.key.clone()) {
                continue;
            }
            let text = format!("  {:<5} {:<10} {result}", record.id, record.text("channel"));
            teller.at(teller.now(), Voice::Rep, &text).map_err(|error| Missed(error.to_string()))?;
            senders.task(&record.key, result).await?.accepted()?;
            crm.worked(&record.key, result);
        }
        if changes.changed().await.is_err() {
            return Err(Missed("the CRM is gone".to_owned()));
        }
    }
}
