//! Rules and decisions alone: no store, no bus, one core.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::decide::{View, fold};
use domain::event::EventKind;
use domain::expr::{Expression, Position, Scope};
use domain::input::{EventInput, Input};
use domain::time::BusinessClock;
use domain::world::{Ids, World};

use super::Run;
use super::mix::{CADENCES, Mix, cadence, input};
use super::partition::BATCH;
use super::report::tell;
use super::row::{Better, Row};
use super::sample::rate;
use super::setup::{Deployment, Side, apply};
use crate::exit::{Failure, Outcome};
use crate::wiring;

/// People in cadences before the clock runs: as many as a batch of a busy store finds.
const PEOPLE: usize = 4000;
/// Judgements between two looks at the clock.
const ROUND: usize = 1000;

/// Conditions as authors write them: a trigger's, a jump's, an audience, and one with text and a list.
const CONDITIONS: [(&str, &str); 4] = [
    ("event.form != \"demo\"", "a comparison"),
    ("event.form.startsWith(\"form-\") && contact.phone == \"\"", "two of them"),
    ("!contact.customer && !(contact.country in [\"US\", \"CA\"]) && contact.company != \"\"", "an audience"),
    ("contact.title.startsWith(\"Head\") || contact.company.contains(\"7\")", "text searched"),
];

/// Measures once: no adapter takes part.
pub(super) async fn measure(run: &mut Run) -> Outcome {
    let deployment = Deployment::make(&Side::Embedded, "domain", None).await?;
    let (store, catalogs) = deployment.store().await?;
    apply(&store, (0..CADENCES).map(cadence).collect()).await?;
    let catalog = catalogs.current().await?;
    store.close().await;
    let keys = Arc::new(wiring::keys(&deployment.config)?);
    let now = run.clock.now();
    let world = World::new(now, catalog, keys, Ids::new(1, i64::MAX / 2));
    let mut folding = Folding { world, mix: Mix::new(0)?, seen: HashSet::new(), last: None };

    tell("domain: decisions alone");
    let mut entries = Vec::new();
    for _ in 0..PEOPLE {
        entries.push(folding.mix.entry(now)?);
    }
    folding.apply(entries.into_iter().map(|event| input(event, &BusinessClock::REAL)).collect())?;
    let row = folding.run(run)?;
    run.report.add(row);
    for (source, what) in CONDITIONS {
        tell(&format!("domain: {source}"));
        let row = folding.judge(run, (source, what))?;
        run.report.add(row);
    }
    deployment.remove().await
}

struct Folding {
    world: World,
    mix: Mix,
    /// The store leaves out what is known before it folds.
    seen: HashSet<domain::id::Digest>,
    /// Whose facts the conditions are judged against.
    last: Option<EventInput>,
}

impl Folding {
    fn apply(&mut self, batch: Vec<EventInput>) -> Outcome {
        for event in batch {
            let event = Input::Event(event);
            fold(&mut self.world, &event).map_err(|error| Failure::Refused(error.to_string()))?;
        }
        // What a unit writes and forgets.
        self.world.decisions.clear();
        self.world.outbox.clear();
        self.world.commands.clear();
        Ok(())
    }

    /// The mix, batch by batch; making the events is not counted.
    fn run(&mut self, run: &Run) -> Result<Row, Failure> {
        let (mut busy, mut done) = (Duration::ZERO, 0);
        let mut rates = Vec::new();
        while busy < run.time() {
            let mut batch = Vec::with_capacity(BATCH);
            while batch.len() < BATCH {
                let event = self.mix.next(self.world.now)?;
                if self.seen.insert(event.digest) {
                    batch.push(input(event, &BusinessClock::REAL));
                }
            }
            self.last = batch.iter().rev().find(|one| one.event.kind == EventKind::FormSubmitted).cloned();
            let began = run.clock.monotonic();
            self.apply(batch)?;
            let took = run.clock.monotonic().saturating_sub(began);
            rates.push(rate(BATCH, took));
            busy += took;
            done += BATCH;
        }
        // The middle half: one batch is short.
        rates.sort_unstable_by(f64::total_cmp);
        let quarter = rates.len() / 4;
        Ok(Row::new("domain", "-", format!("mixed events folded, {CADENCES} cadences, one core"))
            .rate(rate(done, busy))
            .parts(&rates[quarter..rates.len() - quarter])
            .note(format!("{PEOPLE} people at the start")))
    }

    /// A condition, against the facts of a contact in the world.
    fn judge(&self, run: &Run, (source, what): (&str, &str)) -> Result<Row, Failure> {
        let wrong = |error: String| Failure::Refused(format!("{source}: {error}"));
        let scope = Scope::new(Position::Trigger);
        let condition = Expression::compile(source, &scope).map_err(|error| wrong(error.to_string()))?;
        let contacts: Vec<_> = self.world.contacts.iter().map(|(_, contact)| contact).take(ROUND).collect();
        let views: Vec<View<'_>> = contacts
            .iter()
            .map(|contact| {
                View::of_contact(&self.world, contact, self.world.now).with_event(self.last.as_ref())
            })
            .collect();
        let (began, mut done, mut held) = (run.clock.monotonic(), 0, 0);
        let until = began + run.time() / 5;
        let mut now = began;
        while now < until && !views.is_empty() {
            held += views.iter().filter(|view| condition.evaluate(*view).is_true()).count();
            done += views.len();
            now = run.clock.monotonic();
        }
        let per_second = rate(done, now.saturating_sub(began));
        let micros = if per_second > 0.0 { 1e6 / per_second } else { 0.0 };
        Ok(Row::new("domain", "-", format!("a condition: {what}"))
            .amount(micros, "\u{b5}s", Better::Lower)
            .note(source)
            .note(format!("{held} of {done} true")))
    }
}
