//! The rep: works tasks in the CRM as they come, and the CRM posts each result back as a webhook.

use std::collections::BTreeSet;
use std::convert::Infallible;

use super::Missed;
use super::crm::{Crm, Record};
use super::print::{Teller, Voice};
use super::senders::Senders;
use super::story::{ADA, BEN, CLEO, DAN};

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

/// Ada's wait for her open begins when her mail is worked, and the open is posted once all four have theirs. Business hours may
/// lie between the first of the four and the last, or a holiday, which is longer than her wait.
fn is_too_early(record: &Record, all: &[Record]) -> bool {
    let has_mail = |email: &str| all.iter().any(|one| one.email() == email && one.text("step") == "confirm");
    record.email() == ADA.email
        && record.text("step") == "confirm"
        && ![ADA, BEN, CLEO, DAN].iter().all(|person| has_mail(person.email))
}

/// Works until nobody waits for it any more.
pub(super) async fn work(crm: &Crm, senders: &Senders, teller: &Teller) -> Result<Infallible, Missed> {
    let mut changes = crm.changes();
    let mut seen = BTreeSet::new();
    loop {
        let records = crm.records();
        for record in &records {
            let Some(result) = result(record) else { continue };
            if is_too_early(record, &records) || !seen.insert(record.key.clone()) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mail(email: &str) -> Record {
        let task = json!({ "step": "confirm", "contact": { "email": email } });
        Record { id: "T-1".to_owned(), key: email.to_owned(), task, withdrawn: None, result: None }
    }

    #[test]
    fn adas_mail_is_worked_once_all_four_have_theirs() {
        let all = [&ADA, &BEN, &CLEO, &DAN].map(|person| mail(person.email));

        assert!(is_too_early(&all[0], &all[..3]));
        assert!(!is_too_early(&all[0], &all));
        assert!(!is_too_early(&all[3], &all[3..]), "nobody waits for the others but Ada");
    }
}
