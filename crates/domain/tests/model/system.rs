//! One enrollment and its touch, two workers, a sweep, and whatever may come between them.
//!
//! What decides is the crate's own: `decide::judge` at the pick and `decide::fold` in every unit. What the store does around
//! it is modelled after its statements, one step where a transaction begins or ends or reads with a new snapshot:
//!
//! | here | there |
//! |---|---|
//! | `pick` | `Dispatch::pick` and `decide::judge` (crates/store/src/dispatch/pick.rs, services/dispatcher/src/lanes.rs) |
//! | `mark_lock` | `flags::share_epochs`, `Mark::lock_touches` (crates/store/src/dispatch/mark.rs) |
//! | `mark_judge` | `Mark::ready`, `flags::stops`, `judge` (there) |
//! | `mark_write` | `Mark::write` or `hold`, and the COMMIT: the linearisation point (there) |
//! | `unit` | `UnitWork::run`: touches and timers locked, folded, written (crates/store/src/unit) |
//! | `take_over_find`, `take_over` | `TakeOver::run` before and after its lock (crates/store/src/dispatch/takeover.rs) |
//! | `set_flag`, `release` | `SetFlag::run`, `Release::run` |

mod worker;

use std::collections::BTreeSet;

use domain::decide;
use domain::enrollment::EnrollmentState;
use domain::id::{EnrollmentId, TouchId, TouchKey};
use domain::input::{EventInput, Input, TouchInput, TouchReport};
use domain::touch::{AttemptResult, HeldReason, Note, TouchState};
use domain::world::World;
use jiff::{SignedDuration, Timestamp};

use crate::explore::System;

/// A rule that a variant of the system leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    Nothing,
    /// The mark does not compare the fence that was picked.
    Fence,
    /// The mark does not take the epoch lock.
    EpochLock,
    /// The takeover takes what it found without looking again under the lock.
    SecondLook,
    /// An exit neither locks nor writes the touch and its timer.
    TouchOfExit,
    /// A result is folded whatever attempt it is of.
    CurrentAttempt,
}

/// A dispatcher process.
#[derive(Debug, Clone, PartialEq)]
enum Worker {
    Idle,
    Picked {
        fence: i32,
        touch: TouchId,
    },
    Locked {
        touch: TouchId,
        attempt: i32,
    },
    Judged {
        touch: TouchId,
        attempt: i32,
        goes: Option<HeldReason>,
    },
    /// Its request may leave, and its result be settled.
    Flying {
        touch: TouchId,
        attempt: i32,
        left: bool,
    },
    /// Killed.
    Dead,
}

/// A stop that is decided on what it read and not yet written, where it holds no lock.
#[derive(Debug, Clone)]
struct Deciding(Box<World>);

/// What may still come from outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outside {
    pub(crate) stop: Option<EventInput>,
    pub(crate) pause: Option<EventInput>,
    pub(crate) resume: Option<EventInput>,
    pub(crate) flags: u8,
    pub(crate) deferrals: u8,
    pub(crate) deaths: u8,
    pub(crate) attempts: i32,
}

#[derive(Clone)]
pub(crate) struct Model {
    without: Without,
    /// What is committed.
    db: World,
    enrollment: EnrollmentId,
    flag: bool,
    /// The row of `in_flight`: attempt, worker, whether it was taken over.
    in_flight: Option<(TouchId, i32, usize, bool)>,
    /// The rows of `workers`.
    beating: [bool; 2],
    workers: [Worker; 2],
    /// Who holds the touch's row.
    locked_by: Option<usize>,
    /// What the sweep found before it locks; and what it has to settle.
    found: Option<(TouchId, i32)>,
    taken: Option<(TouchId, i32)>,
    deciding: Option<Deciding>,
    outside: Outside,
    /// Keys that left, by touch.
    left: BTreeSet<(TouchId, TouchKey)>,
    wrong: Option<String>,
}

impl Model {
    pub(crate) fn new(without: Without, world: World, outside: Outside) -> Self {
        let enrollment = *world.enrollments.iter().next().expect("one enrollment").0;
        Self {
            without,
            db: world,
            enrollment,
            flag: false,
            in_flight: None,
            beating: [true; 2],
            workers: [Worker::Idle, Worker::Idle],
            locked_by: None,
            found: None,
            taken: None,
            deciding: None,
            outside,
            left: BTreeSet::new(),
            wrong: None,
        }
    }

    fn state(&self) -> EnrollmentState {
        self.db.enrollments.get(&self.enrollment).expect("it is there").state
    }

    fn now(&self) -> Timestamp {
        self.db.now
    }

    /// A unit, while nobody holds the touch.
    fn unit(&self, name: &str, input: &Input) -> Option<(String, Self)> {
        if self.locked_by.is_some() {
            return None;
        }
        let mut next = self.clone();
        fold(&mut next.db, input);
        Some((name.to_owned(), next))
    }

    fn settle(
        &self,
        name: &str,
        (touch, attempt): (TouchId, i32),
        result: AttemptResult,
    ) -> Option<(String, Self)> {
        let before = self.db.touches.get(&touch).cloned();
        let old = before.as_ref().is_some_and(|row| row.attempt > attempt);
        let number = match &before {
            // As if the fold did not ask: the result counts as the current attempt's.
            Some(row) if self.without == Without::CurrentAttempt => row.attempt,
            _ => attempt,
        };
        let report = TouchReport::Attempt { attempt: number, result };
        let input = Input::Touch(TouchInput { touch, at: self.now(), report });
        let (name, mut next) = self.unit(name, &input)?;
        // `Writing::results`: the row goes with the result of its own attempt.
        if next.in_flight.is_some_and(|(of, no, ..)| of == touch && no == attempt) {
            next.in_flight = None;
        }
        let after = next.db.touches.get(&touch);
        if old && before.as_ref() != after {
            next.wrong = Some(format!("the result of attempt {attempt}, long overtaken, changed the touch"));
        }
        Some((name, next))
    }

    // The sweep.

    fn sweep_steps(&self, steps: &mut Vec<(String, Self)>) {
        if let Some((touch, no, who, _)) = self.in_flight
            && self.found.is_none()
            && self.taken.is_none()
            && !self.beating[who]
        {
            let mut next = self.clone();
            next.found = Some((touch, no));
            steps.push(("take_over_find".to_owned(), next));
        }
        if self.found.is_some() {
            steps.push(self.take_over());
        }
        if let Some(which) = self.taken {
            let result =
                AttemptResult::Unknown { again_at: Some(self.now()), note: Note::new("taken_over", "gone") };
            if let Some((name, mut next)) = self.settle("the sweep settles: unknown", which, result) {
                next.taken = None;
                steps.push((name, next));
            }
        }
        let held = self.db.timers.get(&self.enrollment).and_then(|timer| timer.held);
        if held == Some(HeldReason::All) && !self.flag && self.locked_by.is_none() {
            let mut next = self.clone();
            let timer = next.db.timers.get_mut(&self.enrollment).expect("it is held");
            timer.held = None;
            let touch = timer.touch.expect("a touch's timer");
            if let Some(row) = next.db.touches.get_mut(&touch)
                && row.state == TouchState::Held
            {
                row.state = TouchState::Scheduled;
            }
            steps.push(("release".to_owned(), next));
        }
    }

    fn take_over(&self) -> (String, Self) {
        let mut next = self.clone();
        let (touch, no) = next.found.take().expect("it was found");
        // SKIP LOCKED: what a mark or a unit holds is for the next sweep.
        let row = self.db.touches.get(&touch).filter(|_| self.locked_by.is_none());
        let there = self.in_flight.filter(|(of, ..)| *of == touch);
        if let (Some(row), Some((_, flying, who, _))) = (row, there) {
            let current = row.attempt == no
                && flying == no
                && matches!(row.state, TouchState::Sending | TouchState::Unknown);
            if current || self.without == Without::SecondLook {
                next.taken = Some((touch, row.attempt));
                next.in_flight = Some((touch, flying, who, true));
                next.db.touches.get_mut(&touch).expect("it is there").state = TouchState::Unknown;
                if self.beating[who] {
                    next.wrong =
                        Some(format!("attempt {flying} was taken over from worker {who}, who lives"));
                }
            }
        }
        ("take_over".to_owned(), next)
    }

    // What comes from outside.

    fn outside_steps(&self, steps: &mut Vec<(String, Self)>) {
        if let Some(stop) = &self.outside.stop {
            steps.extend(self.stop(stop));
        }
        if let Some(Deciding(decided)) = &self.deciding {
            // The enrollment alone is written: what it did to the touch and its timer is left out.
            let mut next = self.clone();
            let row = decided.enrollments.get(&self.enrollment).expect("it is there").clone();
            next.db.enrollments.put(self.enrollment, row);
            next.deciding = None;
            steps.push(("the stop commits".to_owned(), next));
        }
        if let Some(pause) = &self.outside.pause
            && let Some((name, mut next)) = self.unit("a pause commits", &Input::Event(pause.clone()))
        {
            next.outside.pause = None;
            steps.push((name, next));
        }
        if let Some(resume) = &self.outside.resume
            && self.state() == EnrollmentState::Paused
            && let Some((name, mut next)) = self.unit("a resume commits", &Input::Event(resume.clone()))
        {
            next.outside.resume = None;
            steps.push((name, next));
        }
        let shared =
            self.workers.iter().any(|one| matches!(one, Worker::Locked { .. } | Worker::Judged { .. }));
        let may_change = !shared || self.without == Without::EpochLock;
        if may_change && (self.flag || self.outside.flags > 0) {
            let mut next = self.clone();
            next.flag = !self.flag;
            next.outside.flags -= u8::from(next.flag);
            steps.push((format!("set_flag {}", next.flag), next));
        }
        steps.extend(self.deferred());
        for who in 0..2 {
            if self.outside.deaths > 0 && self.beating[who] {
                steps.extend(self.lost(who));
            }
        }
    }

    fn stop(&self, stop: &EventInput) -> Option<(String, Self)> {
        let input = Input::Event(stop.clone());
        if self.without != Without::TouchOfExit {
            let (name, mut next) = self.unit("the stop commits", &input)?;
            next.outside.stop = None;
            return Some((name, next));
        }
        let mut next = self.clone();
        let mut decided = self.db.clone();
        fold(&mut decided, &input);
        next.deciding = Some(Deciding(Box::new(decided)));
        next.outside.stop = None;
        Some(("the stop is decided".to_owned(), next))
    }

    /// A worker judged it, and a full limit puts it off by an hour.
    fn deferred(&self) -> Option<(String, Self)> {
        let timer = self.db.timers.get(&self.enrollment).filter(|timer| timer.held.is_none())?;
        let touch = timer.touch.filter(|_| timer.lane.is_some() && self.outside.deferrals > 0)?;
        let fence = self.db.touches.get(&touch)?.fence;
        let until = self.now() + SignedDuration::from_hours(1);
        let report =
            TouchReport::Defer { fence, until, note: Note::new("per_owner", "the limit is reached") };
        let input = Input::Touch(TouchInput { touch, at: self.now(), report });
        let (name, mut next) = self.unit("a deferral commits", &input)?;
        next.outside.deferrals -= 1;
        Some((name, next))
    }

    /// A worker's row goes: it was killed, or is only frozen and goes on later.
    fn lost(&self, who: usize) -> Vec<(String, Self)> {
        let mut frozen = self.clone();
        frozen.beating[who] = false;
        frozen.outside.deaths -= 1;
        let mut killed = frozen.clone();
        if killed.locked_by == Some(who) {
            killed.locked_by = None;
        }
        killed.workers[who] = Worker::Dead;
        vec![
            (format!("worker {who} freezes and is reaped"), frozen),
            (format!("worker {who} is killed"), killed),
        ]
    }

    /// A live enrollment whose next move is nobody's.
    fn is_forgotten(&self) -> bool {
        if self.state() != EnrollmentState::Live || self.db.timers.get(&self.enrollment).is_some() {
            return false;
        }
        let enrollment = self.db.enrollments.get(&self.enrollment).expect("it is there");
        let touch = enrollment.progress.touch().and_then(|touch| self.db.touches.get(&touch));
        let waits = touch.is_some_and(|touch| {
            matches!(touch.state, TouchState::Open | TouchState::Failed | TouchState::Unknown)
        });
        !waits && self.in_flight.is_none() && self.taken.is_none()
    }
}

impl System for Model {
    fn mark(&self) -> String {
        format!(
            "{:?}{:?}{:?}{:?}{:?}",
            (&self.db.enrollments, &self.db.touches, &self.db.timers),
            (self.flag, self.in_flight, self.beating, &self.workers, self.locked_by, self.found, self.taken),
            self.deciding.is_some(),
            (self.outside.stop.is_some(), self.outside.pause.is_some(), self.outside.resume.is_some()),
            (
                self.outside.flags,
                self.outside.deferrals,
                self.outside.deaths,
                &self.left,
                &self.wrong,
                self.db.commands.len()
            ),
        )
    }

    fn steps(&self) -> Vec<(String, Self)> {
        let mut steps = Vec::new();
        for who in 0..2 {
            self.worker_steps(who, &mut steps);
        }
        self.sweep_steps(&mut steps);
        self.outside_steps(&mut steps);
        steps
    }

    fn broken(&self, dead: bool) -> Option<String> {
        if let Some(wrong) = &self.wrong {
            return Some(wrong.clone());
        }
        let touches: BTreeSet<TouchId> = self.left.iter().map(|(touch, _)| *touch).collect();
        if touches.len() != self.left.len() {
            return Some("a touch left under two keys".to_owned());
        }
        if self.is_forgotten() {
            return Some("a live enrollment has no next move".to_owned());
        }
        let over = matches!(self.state(), EnrollmentState::Exited | EnrollmentState::Removed);
        if dead && over && self.in_flight.is_none() {
            let sending = self.db.touches.iter().any(|(_, row)| row.state == TouchState::Sending);
            let out = self.db.touches.iter().find(|(id, row)| {
                let left = self.left.iter().any(|(touch, _)| touch == *id);
                left && matches!(row.state, TouchState::Scheduled | TouchState::Held | TouchState::Open)
            });
            if sending || out.is_some() {
                return Some("a task that left before the stop was not taken back".to_owned());
            }
        }
        None
    }
}

fn fold(world: &mut World, input: &Input) {
    decide::fold(world, input).expect("ids enough");
    // What was said is no part of the state; what is to be done at the CRM is.
    world.decisions.clear();
    world.outbox.clear();
}
