//! The accounts: what the store and the CRM hold in the end, set against what was accepted. All of it, never a sample.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contracts::Wire as _;
use domain::decision::{Cause, Decision, DecisionRecord};
use domain::event::Event;
use domain::id::{Digest, SourceName};
use jiff::Timestamp;
use serde_json::Value;

use super::load::{Book, Kind, STEPS};
use crate::audit;
use crate::deployment::{Deployment, Shape};

/// How long draining may stand still, and how long it may take in all. The machine is shared, what is left behind waits for
/// sweeps, and a long run leaves much of it.
const PATIENCE: Duration = Duration::from_secs(180);
const MOST: Duration = Duration::from_secs(1200);
/// How often is looked whether it stands still.
const LOOK: Duration = Duration::from_secs(10);

/// A live enrollment must have a timer, or a touch that somebody else is to move. One statement: one moment.
const STRANDED: &str = "
    select e.id, c.email, e.state, e.progress from enrollments e join contacts c on c.id = e.contact
    where e.state in ('live', 'paused') and not exists (select 1 from timers m where m.enrollment = e.id)
    and not exists (select 1 from touches t where t.enrollment = e.id
                    and t.state in ('sending', 'unknown', 'open', 'held', 'failed'))";

/// What is still under way.
const UNDER_WAY: &str = "
    select (select count(*) from dedupe) as known,
    (select count(*) from enrollments where state in ('live', 'paused')) as live,
    (select count(*) from in_flight) as flying, (select count(*) from commands where done_at is null) as commands,
    (select count(*) from outbox) as outbox";

/// What is to be there beside what the oracle posted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expected {
    /// Events that are to end as dead letters.
    pub(crate) dead_letters: usize,
    pub(crate) words: Words,
}

/// What may be said of an attempt once it was taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Words {
    /// Nothing: whoever made it is dead.
    #[default]
    Last,
    /// What its maker says of it when it wakes up: a better word on that attempt, which changes nothing that came after it.
    MayComeLate,
}

/// No live enrollment is without a next move, now.
pub(crate) fn nothing_is_stranded(it: &Deployment) {
    let stranded = it.rows(STRANDED);
    assert!(stranded.is_empty(), "live enrollments without a next move: {stranded:#?}");
}

/// Waits until nothing is under way, and sets everything against what was accepted.
pub(crate) async fn settle_accounts(it: &Deployment, book: &Book, expected: Expected) {
    drained(it, book).await;
    nothing_is_stranded(it);
    let facts = Facts::read(it);
    let mut wrong = Vec::new();
    facts.each_event_is_decided_once(book, &mut wrong);
    facts.each_contact_is_enrolled_once(book, &mut wrong);
    facts.what_ended_is_taken_back_and_what_finished_went_out(it, &mut wrong);
    facts.no_mark_after_its_exit(it, book, &mut wrong);
    let dead = it.rows("select list, code, text from asides");
    if dead.len() != expected.dead_letters {
        wrong.push(format!(
            "{} dead letters or quarantined, not {}: {dead:?}",
            dead.len(),
            expected.dead_letters
        ));
    }
    assert!(
        wrong.is_empty(),
        "{} things are wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
    let repeats = match expected.words {
        Words::Last => audit::each_touch_has_one_key_and_repeats_only_the_unknown(it).requests,
        Words::MayComeLate => audit::each_touch_has_one_key(it).values().map(|calls| calls.len() - 1).sum(),
    };
    eprintln!(
        "  {} events accepted {} times, {} enrollments, {} tasks, {} requests repeated, {} crossed, {} left for want of an id",
        book.accepted.len(),
        book.accepted.values().map(|one| one.times).sum::<usize>(),
        facts.enrollments.len(),
        it.crm.records().len(),
        repeats,
        facts.crossed,
        it.crm.records().iter().filter(|record| !record.withdrawn && facts.is_without_id(record)).count(),
    );
}

async fn drained(it: &Deployment, book: &Book) {
    let began = std::time::Instant::now();
    let (mut moved, mut looked, mut most) = (began, began, 0);
    loop {
        let rows = it.rows(UNDER_WAY);
        let left = &rows[0];
        let is_over = left["known"].as_u64() >= Some(book.accepted.len() as u64)
            && ["live", "flying", "commands", "outbox"].iter().all(|what| left[what] == 0);
        if is_over {
            return;
        }
        if looked.elapsed() > LOOK {
            looked = std::time::Instant::now();
            // Neither ever falls.
            let done = left["known"].as_u64().unwrap_or(0) + it.crm.records().len() as u64;
            if done > most {
                (most, moved) = (done, looked);
            }
        }
        if moved.elapsed() > PATIENCE || began.elapsed() > MOST {
            nothing_is_stranded(it);
            let stuck = it.rows(
                "select t.id, t.state, t.attempt, t.fence, t.due_at, t.note, e.state as enrollment, m.kind as timer,
                 m.due_at as timer_due, m.held, f.at as flying_since, f.taken_at from touches t
                 join enrollments e on e.id = t.enrollment left join timers m on m.enrollment = e.id
                 left join in_flight f on f.touch = t.id
                 where e.state in ('live', 'paused') or f.touch is not null limit 10",
            );
            let commands = it.rows("select * from commands where done_at is null limit 10");
            panic!(
                "of {} events there is still under way: {left}\n{stuck:#?}\n{commands:#?}\n{}",
                book.accepted.len(),
                it.tails()
            );
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// A row of `decisions` about an event of ours.
struct Decided {
    items: Vec<Decision>,
    /// Microseconds.
    committed: Option<i64>,
}

/// What is in the store.
struct Facts {
    decisions: BTreeMap<String, Vec<Decided>>,
    enrollments: Vec<Value>,
    /// Keys of touches whose task's id in the CRM was never learnt. This CRM cannot be asked for it, so a task that crossed
    /// its exit and whose answer was lost cannot be taken back.
    without_id: BTreeSet<String>,
    crossed: usize,
}

fn text<'a>(row: &'a Value, column: &str) -> &'a str {
    row[column].as_str().unwrap_or_else(|| panic!("{column} of {row}"))
}

/// When (microseconds) the transaction of a row committed, where the database keeps it. SQLite does not, but has one writer:
/// the store's time in it, `instead`, is in the order of its transactions.
fn committed(it: &Deployment, table: &str, instead: &str) -> String {
    match it.shape {
        Shape::Embedded => instead.to_owned(),
        Shape::Roles { .. } => {
            format!("(extract(epoch from pg_xact_commit_timestamp({table}.xmin)) * 1000000)::bigint")
        }
    }
}

/// The store's time in the transaction of an event's decision.
const SEEN: &str = "(select x.seen_at from dedupe x where x.key = d.key)";

impl Facts {
    fn read(it: &Deployment) -> Self {
        let rows = it.rows(&format!(
            "select hex(d.body) as body, {} as committed from decisions d order by d.id",
            committed(it, "d", SEEN)
        ));
        let mut decisions: BTreeMap<String, Vec<Decided>> = BTreeMap::new();
        let mut crossed = 0;
        for row in &rows {
            let bytes = hex::decode(text(row, "body")).unwrap();
            let record = DecisionRecord::from_bytes(&bytes).unwrap();
            let has_crossed =
                |item: &&Decision| matches!(item, Decision::Touched { what, .. } if what.code == "crossed");
            crossed += record.items.iter().filter(has_crossed).count();
            if let Cause::Event { digest, .. } = &record.cause {
                let (committed, digest) = (row["committed"].as_i64(), digest.to_hex());
                decisions.entry(digest).or_default().push(Decided { items: record.items, committed });
            }
        }
        // An event that changed nothing has no row there: it was decided as often as it was stored.
        let rows = it.rows(&format!(
            "select hex(d.body) as body, {} as committed from events d
             where d.contact is not null and not exists (select 1 from decisions x where x.key = d.key and x.contact is not null)",
            committed(it, "d", SEEN)
        ));
        for row in &rows {
            let event = Event::from_bytes(&hex::decode(text(row, "body")).unwrap()).unwrap();
            let committed = row["committed"].as_i64();
            decisions
                .entry(event.digest.to_hex())
                .or_default()
                .push(Decided { items: Vec::new(), committed });
        }
        let enrollments = it.rows(
            "select e.id, hex(e.uid) as uid, e.state, e.ended_at, c.email from enrollments e join contacts c on c.id = e.contact",
        );
        let without_id = it.rows("select hex(uid) as uid from touches where remote_id is null");
        let without_id = without_id.iter().map(|row| text(row, "uid").to_lowercase()).collect();
        Self { decisions, enrollments, without_id, crossed }
    }

    /// The decisions on an event that are about the event, not about a repeat of it.
    fn on(&self, id: &str) -> Vec<&Decided> {
        let source = SourceName::try_from("forms".to_owned()).unwrap();
        let digest = Digest::of(&[b"id", source.as_str().as_bytes(), b"", id.as_bytes()]).to_hex();
        let is_repeat = |decided: &&Decided| {
            let is_duplicate =
                |item: &Decision| matches!(item, Decision::Ignored { why } if why.code == "duplicate");
            !decided.items.is_empty() && decided.items.iter().all(is_duplicate)
        };
        self.decisions.get(&digest).into_iter().flatten().filter(|decided| !is_repeat(decided)).collect()
    }

    fn each_event_is_decided_once(&self, book: &Book, wrong: &mut Vec<String>) {
        for (id, event) in &book.accepted {
            let decided = self.on(id);
            if decided.len() != 1 {
                wrong.push(format!(
                    "{id}, accepted {} times, was decided {} times",
                    event.times,
                    decided.len()
                ));
            }
            let enrolled = decided.iter().flat_map(|one| &one.items);
            let enrolled = enrolled.filter(|item| matches!(item, Decision::Enrolled { .. })).count();
            if enrolled > usize::from(event.kind == Kind::Entry) {
                wrong.push(format!("{id} enrolled {enrolled} times"));
            }
        }
    }

    /// Once for an entry; a contact that opted out may never have entered.
    fn each_contact_is_enrolled_once(&self, book: &Book, wrong: &mut Vec<String>) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for enrollment in &self.enrollments {
            *counts.entry(text(enrollment, "email")).or_default() += 1;
        }
        let of =
            |kind| book.accepted.values().filter(move |one| one.kind == kind).map(|one| one.email.as_str());
        let entered: BTreeSet<&str> = of(Kind::Entry).collect();
        let opted_out: BTreeSet<&str> = of(Kind::OptOut).collect();
        for email in &entered {
            let count = counts.get(email).copied().unwrap_or(0);
            if count > 1 || (count == 0 && !opted_out.contains(email)) {
                wrong.push(format!("{email} has {count} enrollments"));
            }
        }
        for email in counts.keys().filter(|email| !entered.contains(*email)) {
            wrong.push(format!("{email} is enrolled and never entered"));
        }
    }

    fn is_without_id(&self, record: &testkit::crm::Record) -> bool {
        self.without_id.contains(&record.key.replace('-', ""))
    }

    fn what_ended_is_taken_back_and_what_finished_went_out(&self, it: &Deployment, wrong: &mut Vec<String>) {
        let mut records: BTreeMap<String, Vec<testkit::crm::Record>> = BTreeMap::new();
        for record in it.crm.records() {
            let enrollment = text(&record.body, "enrollment").replace('-', "").to_lowercase();
            records.entry(enrollment).or_default().push(record);
        }
        for enrollment in &self.enrollments {
            let out = records.remove(&text(enrollment, "uid").to_lowercase()).unwrap_or_default();
            let steps: BTreeSet<&str> = out.iter().map(|record| text(&record.body, "step")).collect();
            if steps.len() != out.len() {
                wrong.push(format!("{enrollment}: a step went out twice: {out:?}"));
            }
            match text(enrollment, "state") {
                "finished" if out.len() != STEPS => {
                    wrong.push(format!("{enrollment}: {} tasks of {STEPS}", out.len()));
                }
                "exited" if out.iter().any(|record| !record.withdrawn && !self.is_without_id(record)) => {
                    wrong.push(format!("{enrollment}: ended, and yet tasks are left: {out:?}"));
                }
                "finished" | "exited" => {}
                other => wrong.push(format!("{enrollment}: is {other}")),
            }
        }
        for (enrollment, out) in records {
            wrong.push(format!("tasks of {enrollment}, which is not in the store: {out:?}"));
        }
    }

    /// The order of commits is the oracle: a mark that committed after the decision which stopped its contact is wrong.
    fn no_mark_after_its_exit(&self, it: &Deployment, book: &Book, wrong: &mut Vec<String>) {
        let marks = it.rows(&format!(
            "select c.email, a.touch, a.no, a.at, e.state, e.ended_at, {} as committed from attempts a
             join touches t on t.id = a.touch join enrollments e on e.id = t.enrollment join contacts c on c.id = e.contact",
            committed(it, "a", "a.at")
        ));
        let commit_of = |id: String| self.on(&id).first().and_then(|decided| decided.committed);
        let mut stops: BTreeMap<&str, Vec<(i64, Kind)>> = BTreeMap::new();
        for (id, event) in &book.accepted {
            let Some(stopped) = commit_of(id.clone()) else { continue };
            let number = id.split('-').nth(1).unwrap();
            let entered = commit_of(format!("e-{number}"));
            let stops_it = match event.kind {
                Kind::Entry => false,
                // A reply that was decided before the entry ended nothing; in one commit either order is possible.
                Kind::Reply => entered.is_some_and(|entered| entered < stopped),
                Kind::OptOut => true,
            };
            if stops_it {
                stops.entry(event.email.as_str()).or_default().push((stopped, event.kind));
            }
        }
        for mark in &marks {
            let at = mark["committed"].as_i64().expect("the time of the commit");
            for (stopped, kind) in stops.get(text(mark, "email")).into_iter().flatten() {
                if at > *stopped {
                    wrong.push(format!("marked {} µs after the commit of {kind:?}: {mark}", at - stopped));
                }
            }
        }
    }
}

/// When each request that creates a task came in.
pub(crate) fn calls_at(it: &Deployment) -> Vec<Timestamp> {
    it.crm.calls().into_iter().filter(|call| call.method == "POST").map(|call| call.at).collect()
}
