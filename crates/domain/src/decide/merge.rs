//! Two contacts become one: the one of the event's first CRM id survives, the others stay as aliases.

use crate::cadence::Outcome;
use crate::enrollment::EnrollmentState;
use crate::event::Event;
use crate::id::{ContactId, EnrollmentId};
use crate::identity::IdentityOwner;
use crate::touch::TouchState;

use super::consent;
use super::folding::Folding;
use super::stop::{self, Ending};
use super::subject::Subject;

/// Merges everyone whom the event names into the first.
pub(super) fn merge(f: &mut Folding<'_>, event: &Event, subject: &Subject) {
    let Some(survivor) = subject.contact else { return };
    for other in subject.matched.iter().copied().filter(|other| *other != survivor) {
        absorb(f, survivor, other);
    }
    if subject.matched.len() < 2 {
        f.ignore("merged", format!("only one of the {} named is known", event.subject.crm_ids.len()));
    }
    consent::share(f, survivor);
    keep_one_a_class(f, survivor);
}

fn absorb(f: &mut Folding<'_>, survivor: ContactId, other: ContactId) {
    for key in consent::keys_of(f.world, other) {
        f.world.identity_mut(&key).owner = Some(IdentityOwner::Contact(survivor));
    }
    let Some(gone) = f.world.contacts.get_mut(&other) else { return };
    gone.merged_into = Some(survivor);
    let gone = gone.clone();
    if let Some(row) = f.world.contacts.get_mut(&survivor) {
        row.email = row.email.take().or(gone.email);
        row.phone = row.phone.take().or(gone.phone);
        row.owner = row.owner.take().or(gone.owner);
        row.account = row.account.take().or(gone.account);
        for id in gone.crm_ids {
            if !row.crm_ids.contains(&id) {
                row.crm_ids.push(id);
            }
        }
        for (name, value) in gone.attributes.iter() {
            if row.attributes.get(name).is_none() {
                row.attributes.set(name.clone(), value.clone());
            }
        }
        row.suppressions.merge(&gone.suppressions);
        row.created_at = row.created_at.min(gone.created_at);
        row.last_inbound_at = row.last_inbound_at.max(gone.last_inbound_at);
        row.last_touch_at = row.last_touch_at.max(gone.last_touch_at);
    }
    let moving: Vec<EnrollmentId> = f.world.enrollments_of(other).map(|one| one.id).collect();
    for id in moving {
        if let Some(enrollment) = f.world.enrollments.get_mut(&id) {
            enrollment.contact = survivor;
        }
        for touch in f.touches_of(id, |_| true) {
            if let Some(touch) = f.world.touches.get_mut(&touch) {
                touch.contact = survivor;
            }
        }
    }
    f.world.reindex();
    f.note("merged", format!("contact {other} is now {survivor}"));
}

/// Of two live enrollments of one class, or of one cadence, the one with a touch in flight stays, else the higher priority,
/// else the older.
fn keep_one_a_class(f: &mut Folding<'_>, contact: ContactId) {
    let mut live: Vec<EnrollmentId> = f.live_of(contact);
    live.sort_by_key(|id| {
        let in_flight = !f.touches_of(*id, |touch| touch.state == TouchState::Sending).is_empty();
        let row = f.enrollment(*id);
        (
            std::cmp::Reverse(in_flight),
            std::cmp::Reverse(row.map(|one| one.priority)),
            row.map(|one| (one.entered_at, one.id)),
        )
    });
    let mut kept: Vec<EnrollmentId> = Vec::new();
    for id in live {
        let collides = kept.iter().any(|other| match (f.enrollment(*other), f.enrollment(id)) {
            (Some(one), Some(two)) => {
                one.cadence == two.cadence || (one.class.is_some() && one.class == two.class)
            }
            _ => false,
        });
        if collides {
            let ending = Ending {
                state: EnrollmentState::Preempted,
                rule: "merged".to_owned(),
                outcome: Outcome::Stopped,
            };
            stop::end(f, id, ending);
        } else {
            kept.push(id);
        }
    }
}
