//! Gaps and caps as budgets: what a touch's mark reserves, and to when a full one moves it.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::budget::Reservation;
use crate::cadence::Cadence;
use crate::catalog::Catalog;
use crate::id::TouchId;
use crate::time::{Admission, Limit, Quota, Schedule, Span};
use crate::touch::{Channel, Note, Touch};
use crate::world::World;

use super::schedule::{self, Times};

/// A budget that a touch counts in.
struct Budget {
    key: String,
    /// `per_contact`, `per_owner`, `gap`.
    name: &'static str,
    /// What binds this touch; nothing where only other cadences are bound.
    bound: Option<Quota>,
    reservation: Reservation,
}

/// The budgets that a touch's first mark reserves: its cadence's limits and the deployment's, and, only counted, those by
/// which other cadences of the workspace are bound.
#[must_use]
pub fn reservations(world: &World, touch: TouchId, now: Timestamp) -> Vec<Reservation> {
    budgets(world, touch, now).into_iter().map(|budget| budget.reservation).collect()
}

/// To when a full budget moves a touch: `uses` are those that count, in any order.
#[must_use]
pub fn defer(
    world: &World,
    touch: TouchId,
    key: &str,
    uses: &[Timestamp],
    now: Timestamp,
) -> (Timestamp, Note) {
    let zone = schedule::default_zone(world);
    let found = budgets(world, touch, now).into_iter().find(|budget| budget.key == key);
    // Never at once: the budget was full a moment ago.
    let soon = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
    let Some(budget) = found else {
        return (soon, Note::new("limit", "a limit that is not in force any more"));
    };
    if budget.name == "gap" {
        let until = uses.iter().max().and_then(|last| gap_over(world, touch, *last)).unwrap_or(soon);
        return (until.max(soon), Note::new("gap", "the gap to the contact's last touch"));
    }
    let until = match budget.bound.map(|quota| quota.admit(uses, now, &zone)) {
        Some(Admission::Until(until)) => until,
        Some(Admission::Now) | None => soon,
    };
    let text =
        budget.bound.map_or(String::new(), |quota| format!("{} in {} are reached", quota.max(), quota.per()));
    (until.max(soon), Note::new(budget.name, text))
}

fn gap_over(world: &World, touch: TouchId, last: Timestamp) -> Option<Timestamp> {
    let touch = world.touches.get(&touch)?;
    let (cadence, times) = times(world, touch)?;
    cadence.limits.gap?.after(last, &times.cadence).ok()
}

fn times<'a>(world: &'a World, touch: &Touch) -> Option<(&'a Cadence, Times)> {
    let enrollment = world.enrollments.get(&touch.enrollment)?;
    let cadence = world.catalog.cadence(&touch.workspace, enrollment.version)?;
    let contact = world.contacts.get(&touch.contact)?;
    Some((cadence, Times::of(world, cadence, contact)))
}

fn budgets(world: &World, touch: TouchId, now: Timestamp) -> Vec<Budget> {
    let Some(touch) = world.touches.get(&touch) else { return Vec::new() };
    let Some((own, times)) = times(world, touch) else { return Vec::new() };
    let catalog = &*world.catalog;
    let zone = schedule::default_zone(world);
    let mut budgets = Vec::new();

    let contact = format!("{}/contact/{}", touch.workspace, touch.contact);
    let binding = own.limits.per_contact.iter().chain(&catalog.defaults.per_contact);
    let counted = in_force(catalog, touch)
        .flat_map(|cadence| &cadence.limits.per_contact)
        .chain(&catalog.defaults.per_contact);
    caps(
        &mut budgets,
        (&contact, "per_contact"),
        (binding.collect(), counted.collect()),
        (touch.channel, now, &zone),
    );

    if let Some(owner) = &touch.owner {
        let owner = format!("{}/owner/{owner}", touch.workspace);
        let binding = own.limits.per_owner.iter().chain(&catalog.defaults.per_owner);
        let counted = in_force(catalog, touch)
            .flat_map(|cadence| &cadence.limits.per_owner)
            .chain(&catalog.defaults.per_owner);
        caps(
            &mut budgets,
            (&owner, "per_owner"),
            (binding.collect(), counted.collect()),
            (touch.channel, now, &zone),
        );
    }
    gap(&mut budgets, (&contact, own, &times), (catalog, touch), now);
    budgets.sort_by(|one, two| one.key.cmp(&two.key));
    budgets
}

/// The cadences whose touches may still go out.
fn in_force<'a>(catalog: &'a Catalog, touch: &Touch) -> impl Iterator<Item = &'a Cadence> {
    catalog
        .content(&touch.workspace)
        .into_iter()
        .flat_map(|content| content.cadences.values())
        .map(|cadence| &**cadence)
}

/// One budget for each channel and period that any limit names; the tightest limit that binds this touch holds.
fn caps(
    budgets: &mut Vec<Budget>,
    (whose, name): (&str, &'static str),
    (binding, counted): (Vec<&Limit<Channel>>, Vec<&Limit<Channel>>),
    (channel, now, zone): (Channel, Timestamp, &TimeZone),
) {
    for limit in counted.into_iter().filter(|limit| limit.binds(&channel)) {
        let of = limit.channel.map_or("*", Channel::as_str);
        let key = format!("{whose}/{of}/{}", limit.quota.per());
        if budgets.iter().any(|budget| budget.key == key) {
            continue;
        }
        let same = |other: &&&Limit<Channel>| {
            other.channel == limit.channel && other.quota.per() == limit.quota.per()
        };
        let bound = binding.iter().filter(same).map(|limit| limit.quota).min_by_key(Quota::max);
        let reservation = Reservation {
            key: key.clone(),
            max: bound.map(|quota| quota.max()),
            counted_since: since(limit.quota.per(), now, zone),
            forget_after: until(limit.quota.per(), now, zone),
        };
        budgets.push(Budget { key, name, bound, reservation });
    }
}

/// The gap as a budget of one, so that two cadences cannot both use the same moment.
fn gap(
    budgets: &mut Vec<Budget>,
    (contact, own, times): (&str, &Cadence, &Times),
    (catalog, touch): (&Catalog, &Touch),
    now: Timestamp,
) {
    let gaps: Vec<Span> = in_force(catalog, touch).filter_map(|cadence| cadence.limits.gap).collect();
    if gaps.is_empty() {
        return;
    }
    let key = format!("{contact}/gap");
    let longest = gaps.iter().filter_map(|gap| gap.after(now, &times.cadence).ok()).max();
    let reservation = Reservation {
        key: key.clone(),
        max: own.limits.gap.map(|_| 1),
        counted_since: own.limits.gap.map_or(now, |gap| before(gap, now, &times.cadence)),
        forget_after: longest.unwrap_or(now),
    };
    budgets.push(Budget { key, name: "gap", bound: None, reservation });
}

/// The moment so long before another that a use at it does not count any more.
fn before(span: Span, at: Timestamp, schedule: &Schedule) -> Timestamp {
    match (span.exact(), span.calendar_days()) {
        (Some(exact), _) => exact.before(at),
        (None, Some(days)) => schedule.add_days(at, -i64::from(days)),
        // Business days back: the last moment from which so many lead past now, found by going back day by day.
        (None, None) => {
            let days = 0..=i64::from(span.count()) * 3 + 14;
            let starts = days.map(|back| schedule.add_days(at, -back));
            starts
                .into_iter()
                .find(|start| span.after(*start, schedule).is_ok_and(|over| over <= at))
                .unwrap_or(Timestamp::MIN)
        }
    }
}

/// Uses up to this moment do not count: `1d` is the calendar day, every other period slides.
fn since(per: Span, now: Timestamp, zone: &TimeZone) -> Timestamp {
    let schedule = Schedule::always(zone.clone());
    if per.is_one_day() {
        let start = schedule.start_of_day(schedule.date(now));
        // "After this moment": a use at midnight is one of the day.
        return start.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(start);
    }
    before(per, now, &schedule)
}

fn until(per: Span, now: Timestamp, zone: &TimeZone) -> Timestamp {
    let schedule = Schedule::always(zone.clone());
    if per.is_one_day() {
        let date = schedule.date(now);
        return schedule.start_of_day(date.tomorrow().unwrap_or(date));
    }
    per.after(now, &schedule).unwrap_or(Timestamp::MAX)
}
