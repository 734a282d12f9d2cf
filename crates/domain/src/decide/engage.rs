//! What people did with our touches: opens, clicks, replies, and the ids of sent messages. Machines never count.

use crate::event::{Classification, Event, EventKind};
use crate::id::{ContactId, EnrollmentId, TouchId};
use crate::touch::Channel;

use super::folding::Folding;
use super::subject::named_touch;

/// What an event says of a touch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Opened,
    Clicked,
    Replied,
}

fn sign(event: &Event) -> Option<Sign> {
    match event.kind {
        EventKind::EmailOpened if !event.detail.machine => Some(Sign::Opened),
        EventKind::EmailClicked if !event.detail.machine => Some(Sign::Clicked),
        // An absence notice is written by a machine.
        EventKind::Replied if event.detail.classification != Some(Classification::OutOfOffice) => {
            Some(Sign::Replied)
        }
        _ => None,
    }
}

/// The touch that an event of a contact is about: the one it names, else the last e-mail that went out before it.
pub(super) fn about(f: &Folding<'_>, event: &Event, contact: ContactId) -> Option<(EnrollmentId, TouchId)> {
    if event.detail.task.is_some() {
        let touch = named_touch(f, event)?;
        return Some((f.world.touches.get(&touch)?.enrollment, touch));
    }
    let is_mail = matches!(event.kind, EventKind::EmailOpened | EventKind::EmailClicked | EventKind::Replied);
    if !is_mail {
        return None;
    }
    let occurred_at = f.event.as_ref()?.occurred_at;
    f.world
        .enrollments_of(contact)
        .filter(|one| one.state.is_live())
        .flat_map(|one| one.progress.history.iter().map(move |record| (one.id, record)))
        .filter(|(_, record)| {
            record.channel == Some(Channel::Email) && record.sent_at.is_some_and(|at| at <= occurred_at)
        })
        .max_by_key(|(_, record)| record.sent_at)
        .and_then(|(id, record)| Some((id, record.touch?)))
}

/// Takes down what the event says of a touch.
pub(super) fn learn(f: &mut Folding<'_>, event: &Event, contact: ContactId) {
    if event.kind == EventKind::EmailSent {
        message_sent(f, event);
        return;
    }
    let Some(sign) = sign(event) else { return };
    let Some((enrollment, touch)) = about(f, event, contact) else { return };
    let Some(progress) = f.world.enrollments.get(&enrollment).map(|one| &one.progress) else { return };
    let record = progress.record_of(touch);
    let known = match sign {
        Sign::Opened => progress.opened && record.is_none_or(|record| record.opened),
        Sign::Clicked => progress.clicked && record.is_none_or(|record| record.clicked),
        Sign::Replied => progress.replied && record.is_none_or(|record| record.replied),
    };
    if known {
        return;
    }
    let Some(progress) = f.progress_mut(enrollment) else { return };
    match sign {
        Sign::Opened => progress.opened = true,
        Sign::Clicked => progress.clicked = true,
        Sign::Replied => progress.replied = true,
    }
    if let Some(record) = progress.record_mut(touch) {
        match sign {
            Sign::Opened => record.opened = true,
            Sign::Clicked => record.clicked = true,
            Sign::Replied => record.replied = true,
        }
    }
}

/// The id of a message that went out for a touch, for threading.
fn message_sent(f: &mut Folding<'_>, event: &Event) {
    let Some(message) = event.detail.data.text("message_id").map(str::to_owned) else { return };
    let Some(touch) = named_touch(f, event) else { return };
    let Some(enrollment) = f.world.touches.get(&touch).map(|touch| touch.enrollment) else { return };
    if let Some(record) = f.progress_mut(enrollment).and_then(|progress| progress.record_mut(touch)) {
        record.message_id = Some(message);
    }
}
