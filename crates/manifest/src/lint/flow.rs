//! Where steps lead: loops that never rest, and steps that nothing reaches.

use domain::cadence::{Cadence, OverdueAction, StepBody, Target};

use crate::diagnostic::{Code, Finding, Log};
use crate::model::{At, CadenceSpec};
use crate::source::Extent;

pub(super) fn check(spec: &CadenceSpec, cadence: &Cadence, log: &mut Log) {
    let places = places(spec);
    let ways: Vec<Vec<usize>> = (0..cadence.steps.len()).map(|index| ways(cadence, index)).collect();
    endless(cadence, &ways, &places, log);
    unreachable(cadence, &ways, &places, log);
}

fn places(spec: &CadenceSpec) -> Vec<Extent> {
    let files = spec.steps.get().map_or(&[][..], |steps| steps.0.as_slice());
    files.iter().filter_map(At::get).map(|file| file.id.at).collect()
}

/// The steps that may follow a step.
fn ways(cadence: &Cadence, index: usize) -> Vec<usize> {
    let step = &cadence.steps[index];
    let mut targets: Vec<&Target> = step.on.iter().map(|jump| &jump.goto).collect();
    // A false guard skips any step, and a branch none of whose ways is true falls through.
    targets.push(&step.next);
    match &step.body {
        StepBody::Touch(touch) => {
            targets.extend(touch.outcomes.values());
            if let Some(OverdueAction::Goto(target)) = touch.overdue.as_ref().map(|overdue| &overdue.then) {
                targets.push(target);
            }
        }
        StepBody::Wait(wait) => targets.extend([&wait.then, &wait.otherwise]),
        StepBody::Branch(ways) => targets.extend(ways.iter().map(|way| &way.goto)),
    }
    if let (StepBody::Touch(_), Some(OverdueAction::Goto(target))) =
        (&step.body, cadence.overdue.as_ref().map(|overdue| &overdue.then))
    {
        targets.push(target);
    }
    let mut ways: Vec<_> = targets.into_iter().filter_map(|target| resolve(cadence, index, target)).collect();
    ways.sort_unstable();
    ways.dedup();
    ways
}

fn resolve(cadence: &Cadence, index: usize, target: &Target) -> Option<usize> {
    match target {
        Target::Next => Some(index + 1).filter(|next| *next < cadence.steps.len()),
        Target::End => None,
        Target::Step(id) => cadence.step(id).map(|(index, _)| index),
    }
}

/// Reports each step of branches that lead back to itself through branches only.
fn endless(cadence: &Cadence, ways: &[Vec<usize>], places: &[Extent], log: &mut Log) {
    let is_branch = |index: usize| matches!(cadence.steps[index].body, StepBody::Branch(_));
    let mut told = vec![false; ways.len()];
    for start in (0..ways.len()).filter(|index| is_branch(*index)) {
        if told[start] {
            continue;
        }
        let Some(round) = round(start, ways, &is_branch) else { continue };
        for index in &round {
            told[*index] = true;
        }
        let names: Vec<_> =
            round.iter().chain([&start]).map(|index| format!("`{}`", cadence.steps[*index].id)).collect();
        let say = format!("{} go round without a touch or a wait", names.join(" → "));
        let at = places.get(start).copied().unwrap_or_default();
        log.push(Finding::new(Code::EndlessLoop, at, say).hint("put a touch or a wait_for into the loop"));
    }
}

/// The way from a branch back to itself through branches only.
fn round(start: usize, ways: &[Vec<usize>], is_branch: &dyn Fn(usize) -> bool) -> Option<Vec<usize>> {
    let mut from = vec![None; ways.len()];
    let mut open = vec![start];
    while let Some(index) = open.pop() {
        for next in ways[index].iter().copied().filter(|next| is_branch(*next)) {
            if next == start {
                let mut path = vec![index];
                while let Some(before) = path.last().and_then(|last| from[*last]) {
                    path.push(before);
                }
                path.reverse();
                return Some(path);
            }
            if from[next].is_none() {
                from[next] = Some(index);
                open.push(next);
            }
        }
    }
    None
}

fn unreachable(cadence: &Cadence, ways: &[Vec<usize>], places: &[Extent], log: &mut Log) {
    let mut reached = vec![false; ways.len()];
    let jumps = cadence.on.iter().filter_map(|jump| match &jump.goto {
        Target::Step(id) => cadence.step(id).map(|(index, _)| index),
        Target::Next | Target::End => None,
    });
    let mut open: Vec<_> = jumps.chain([0]).filter(|index| *index < ways.len()).collect();
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut reached[index], true) {
            open.extend(&ways[index]);
        }
    }
    for (index, step) in cadence.steps.iter().enumerate().filter(|(index, _)| !reached[*index]) {
        let at = places.get(index).copied().unwrap_or_default();
        log.report(Code::UnreachableStep, at, format!("nothing leads to the step `{}`", step.id));
    }
}
