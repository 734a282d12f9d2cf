//! Enrollments.

use contracts::{DecodeError, Wire as _};
use domain::cadence::Outcome;
use domain::enrollment::{Enrollment, EnrollmentState, EntryEvent, Progress};
use domain::id::{AccountId, Class, ContactId, EnrollmentId, EnrollmentUid, VersionId};
use ports::{StoreError, StoreResult};

use crate::error::known;
use crate::sql::{Row, RowSet, micros, moment};
use crate::tables::{name, opt_moment, opt_name, workspace};

pub(crate) const COLUMNS: &str = "id, uid, workspace, contact, account, cadence, version, class, priority, state, \
                                  entered_at, ended_at, outcome, ended_by, entry, progress, trace";

/// "Live" in every rule, as a literal.
pub(crate) const LIVE: &str = "state in ('live', 'paused')";

pub(crate) fn read(row: &Row) -> StoreResult<Enrollment> {
    let mut row = row.cursor();
    Ok(Enrollment {
        id: EnrollmentId(row.int()?),
        uid: EnrollmentUid(row.uuid()?),
        workspace: workspace(row.text()?)?,
        contact: ContactId(row.int()?),
        account: row.opt_int()?.map(AccountId),
        cadence: name(row.text()?, "cadence")?,
        version: VersionId(row.int()?),
        class: opt_name(row.opt_text()?, "class")?,
        priority: row.small()?,
        state: known(EnrollmentState::parse(&row.text()?), "state of an enrollment")?,
        entered_at: moment(row.int()?),
        ended_at: opt_moment(row.opt_int()?),
        outcome: row.opt_text()?.map(|text| known(Outcome::parse(&text), "outcome")).transpose()?,
        ended_by: row.opt_text()?,
        entry: packed(EntryEvent::from_bytes(&row.bytes()?), "entry")?,
        progress: packed(Progress::from_bytes(&row.bytes()?), "progress")?,
        trace: row.opt_text()?,
    })
}

/// A column that holds a message.
fn packed<T>(read: Result<T, DecodeError>, what: &'static str) -> StoreResult<T> {
    read.map_err(|problem| StoreError::Damaged(format!("its {what} cannot be read: {problem}")))
}

/// What may change of enrollments; of the event that enrolled, what an erasure takes away.
pub(crate) fn changes(enrollments: &[&Enrollment]) -> RowSet {
    let ids = RowSet::new(enrollments.len()).int("id", enrollments.iter().map(|one| one.id.0));
    moving(ids, enrollments)
}

/// All of enrollments.
pub(crate) fn rows(enrollments: &[&Enrollment]) -> RowSet {
    let all = enrollments.iter();
    let set = RowSet::new(enrollments.len())
        .int("id", all.clone().map(|one| one.id.0))
        .uuid("uid", all.clone().map(|one| one.uid.0))
        .text("workspace", all.clone().map(|one| one.workspace.as_str()))
        .text("cadence", all.clone().map(|one| one.cadence.as_str()))
        .int("version", all.clone().map(|one| one.version.0))
        .opt_text("class", all.clone().map(|one| one.class.as_ref().map(Class::as_str)))
        .int("entered_at", all.map(|one| micros(one.entered_at)));
    moving(set, enrollments)
}

fn moving(set: RowSet, enrollments: &[&Enrollment]) -> RowSet {
    let all = enrollments.iter();
    set.int("contact", all.clone().map(|one| one.contact.0))
        .opt_int("account", all.clone().map(|one| one.account.map(|account| account.0)))
        .int("priority", all.clone().map(|one| i64::from(one.priority)))
        .text("state", all.clone().map(|one| one.state.as_str()))
        .opt_int("ended_at", all.clone().map(|one| one.ended_at.map(micros)))
        .opt_text("outcome", all.clone().map(|one| one.outcome.map(Outcome::as_str)))
        .opt_text("ended_by", all.clone().map(|one| one.ended_by.as_deref()))
        .bytes("entry", all.clone().map(|one| one.entry.to_bytes().to_vec()))
        .bytes("progress", all.clone().map(|one| one.progress.to_bytes().to_vec()))
        .opt_text("trace", all.map(|one| one.trace.as_deref()))
}
