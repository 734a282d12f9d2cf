//! What a worker does: pick, mark, send, settle.

use domain::decide::{self, Judgement};
use domain::enrollment::EnrollmentState;
use domain::id::TouchId;
use domain::touch::{AttemptResult, Delivery, HeldReason, Note, TouchState};

use super::{Model, Without, Worker};

impl Model {
    pub(super) fn worker_steps(&self, who: usize, steps: &mut Vec<(String, Self)>) {
        match &self.workers[who] {
            Worker::Idle => steps.extend(self.pick(who)),
            Worker::Picked { .. } => steps.push(self.mark_lock(who)),
            Worker::Locked { .. } => steps.push(self.mark_judge(who)),
            Worker::Judged { .. } => steps.push(self.mark_write(who)),
            Worker::Flying { touch, attempt, left } => self.flying(who, (*touch, *attempt, *left), steps),
            Worker::Dead => {}
        }
    }

    fn pick(&self, who: usize) -> Option<(String, Self)> {
        let timer = self.db.timers.get(&self.enrollment)?;
        let touch = timer.touch.filter(|_| timer.lane.is_some() && timer.held.is_none())?;
        let row = self.db.touches.get(&touch)?;
        let is_due = timer.due_at <= self.now() && row.attempt < self.outside.attempts;
        let goes = decide::judge(&self.db, touch, self.now()) == Judgement::Go;
        (is_due && goes && self.beating[who]).then(|| {
            let mut next = self.clone();
            next.workers[who] = Worker::Picked { fence: row.fence, touch };
            (format!("worker {who} picks"), next)
        })
    }

    fn mark_lock(&self, who: usize) -> (String, Self) {
        let mut next = self.clone();
        let Worker::Picked { fence, touch } = self.workers[who] else { unreachable!("it has picked") };
        let row = self.db.touches.get(&touch).expect("touches stay");
        let is_free =
            self.locked_by.is_none() && matches!(row.state, TouchState::Scheduled | TouchState::Unknown);
        let same = row.fence == fence || self.without == Without::Fence;
        next.workers[who] = if is_free && same {
            next.locked_by = Some(who);
            Worker::Locked { touch, attempt: row.attempt + 1 }
        } else {
            Worker::Idle
        };
        (format!("worker {who} mark_lock"), next)
    }

    fn mark_judge(&self, who: usize) -> (String, Self) {
        let mut next = self.clone();
        let Worker::Locked { touch, attempt } = self.workers[who] else { unreachable!("it has locked") };
        let timer = self.db.timers.get(&self.enrollment);
        let ready = self.state() == EnrollmentState::Live
            && timer.is_some_and(|timer| {
                timer.touch == Some(touch) && timer.held.is_none() && timer.lane.is_some()
            });
        next.workers[who] = if ready {
            Worker::Judged { touch, attempt, goes: self.flag.then_some(HeldReason::All) }
        } else {
            next.locked_by = None;
            Worker::Idle
        };
        (format!("worker {who} mark_judge"), next)
    }

    fn mark_write(&self, who: usize) -> (String, Self) {
        let mut next = self.clone();
        let Worker::Judged { touch, attempt, goes } = self.workers[who] else {
            unreachable!("it has judged")
        };
        next.locked_by = None;
        next.workers[who] = Worker::Idle;
        let row = next.db.touches.get_mut(&touch).expect("touches stay");
        if let Some(reason) = goes {
            if row.state == TouchState::Scheduled {
                row.state = TouchState::Held;
            }
            if let Some(timer) = next.db.timers.get_mut(&self.enrollment) {
                timer.held = Some(reason);
            }
            return (format!("worker {who} mark_write: held"), next);
        }
        row.state = TouchState::Sending;
        row.attempt = attempt;
        let due = self.db.timers.get(&self.enrollment).map(|timer| timer.due_at);
        next.db.timers.remove(&self.enrollment);
        if let Some((_, no, of, taken)) = self.in_flight
            && !taken
        {
            next.wrong =
                Some(format!("attempt {attempt} was marked while attempt {no} of worker {of} was in flight"));
        }
        next.in_flight = Some((touch, attempt, who, false));
        next.workers[who] = Worker::Flying { touch, attempt, left: false };
        if self.state() != EnrollmentState::Live {
            next.wrong = Some("a mark committed after a stop".to_owned());
        }
        if self.flag {
            next.wrong = Some("a mark committed after a flag".to_owned());
        }
        if due.is_some_and(|due| due > self.now()) {
            next.wrong = Some("a mark of an older reading: the touch was put off meanwhile".to_owned());
        }
        (format!("worker {who} mark_write: attempt {attempt}"), next)
    }

    fn flying(
        &self,
        who: usize,
        (touch, attempt, left): (TouchId, i32, bool),
        steps: &mut Vec<(String, Self)>,
    ) {
        if !left {
            let mut next = self.clone();
            let key = self.db.touches.get(&touch).expect("touches stay").key;
            next.left.insert((touch, key));
            next.workers[who] = Worker::Flying { touch, attempt, left: true };
            steps.push((format!("worker {who} sends attempt {attempt}"), next));
            // Too late after its mark: it never leaves.
            steps.extend(self.ended(who, (touch, attempt), AttemptResult::Void));
            return;
        }
        let note = || Note::new("model", "by choice");
        let results = [
            AttemptResult::Sent { remote_id: Some(format!("R{touch}")), delivery: Delivery::Task },
            AttemptResult::Unknown { again_at: Some(self.now()), note: note() },
            AttemptResult::Retry { at: self.now(), note: note() },
            AttemptResult::Rejected(note()),
        ];
        for result in results {
            steps.extend(self.ended(who, (touch, attempt), result));
        }
    }

    fn ended(&self, who: usize, which: (TouchId, i32), result: AttemptResult) -> Option<(String, Self)> {
        let said = match &result {
            AttemptResult::Sent { .. } => "sent",
            AttemptResult::Void => "void",
            AttemptResult::Retry { .. } => "retry",
            AttemptResult::Rejected(_) => "rejected",
            _ => "unknown",
        };
        let (name, mut next) =
            self.settle(&format!("worker {who} settles attempt {}: {said}", which.1), which, result)?;
        next.workers[who] = Worker::Idle;
        Some((name, next))
    }
}
