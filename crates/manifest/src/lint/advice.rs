//! What experience would do otherwise. Experts differ, so each of these can be silenced with `lint.allow`.

use std::collections::BTreeMap;

use domain::cadence::Target;
use domain::touch::Channel;

use crate::diagnostic::{Code, Finding, Log};
use crate::model::{At, CadenceSpec, EffectWord, StepFile, given};
use crate::source::Extent;

/// Fewer touches than this may well be of one channel.
const MANY: usize = 3;
/// More touches of one day number than a contact bears.
const MOST_A_DAY: usize = 3;
/// The last day of the longest cadences that teams describe.
const LAST_DAY: u32 = 45;
/// The most touches of one cadence that teams describe.
const MOST_TOUCHES: usize = 20;
/// Words by which a last message is known.
const FAREWELL: [&str; 10] =
    ["breakup", "break-up", "break_up", "final", "last", "close", "closing", "goodbye", "farewell", "wrap"];

pub(super) fn check(spec: &CadenceSpec, name: Extent, log: &mut Log) {
    let touches: Vec<&StepFile> = spec
        .steps
        .get()
        .into_iter()
        .flat_map(|steps| steps.0.iter().filter_map(At::get))
        .filter(|step| step.channel.is_some())
        .collect();
    no_exit(spec, name, log);
    no_breakup(&touches, log);
    same_template(&touches, log);
    no_cta(&touches, log);
    single_channel(&touches, name, log);
    shrinking_gaps(&touches, log);
    too_dense(&touches, log);
    too_long(&touches, log);
}

fn no_exit(spec: &CadenceSpec, name: Extent, log: &mut Log) {
    let exits = |effect: Option<&EffectWord>| effect.is_none_or(|effect| *effect == EffectWord::Exit);
    let has_rule = spec.exit.0.iter().filter_map(At::get).any(|rule| exits(given(&rule.effect)));
    if spec.goal.is_none() && !has_rule {
        let say = "the cadence has neither a goal nor an exit rule: only the built-in exits end it early";
        log.push(Finding::new(Code::NoExit, name, say).hint("say what success is: `goal: meeting_booked`"));
    }
}

fn no_breakup(touches: &[&StepFile], log: &mut Log) {
    let Some(last) = touches.last().filter(|_| touches.len() >= MANY) else { return };
    let ends = |step: &&&StepFile| given(&step.next) == Some(&Target::End);
    let says_so = |step: &StepFile| {
        let words = [
            step.id.get().map(AsRef::as_ref),
            given(&step.template).map(AsRef::as_ref),
            given(&step.script).map(AsRef::as_ref),
            given(&step.purpose).map(String::as_str),
        ];
        let says = |text: &str| {
            let text = text.to_lowercase();
            FAREWELL.iter().any(|word| {
                text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
                    .any(|part| part == *word || part.split(['-', '_']).any(|piece| piece == *word))
            })
        };
        words.into_iter().flatten().any(says)
    };
    if touches.iter().filter(ends).chain([last]).any(|step| says_so(step)) {
        return;
    }
    let say = "no step says that it is the last: a breakup message often gets the answer";
    log.push(
        Finding::new(Code::NoBreakup, last.id.at, say)
            .hint("name its id, template or purpose breakup, final or last"),
    );
}

fn same_template(touches: &[&StepFile], log: &mut Log) {
    let mut first: BTreeMap<&str, &StepFile> = BTreeMap::new();
    for step in touches {
        let own = step.template.iter().chain(&step.script);
        let arms =
            given(&step.variants).into_iter().flat_map(|arms| &arms.0).filter_map(|arm| arm.value.get());
        let named = own.chain(arms.flat_map(|arm| arm.template.iter().chain(&arm.script)));
        for template in named {
            let Some(name) = template.get() else { continue };
            match first.get(name.as_str()) {
                Some(other) if !std::ptr::eq(*other, *step) => {
                    let other = other.id.get().map_or("another step", AsRef::as_ref);
                    let say = format!("the template `{name}` is used in the step `{other}` already");
                    log.report(Code::SameTemplate, template.at, say);
                }
                Some(_) => {}
                None => {
                    first.insert(name.as_str(), step);
                }
            }
        }
    }
}

/// Whether a message on the channel asks the contact for something.
fn asks(channel: Channel) -> bool {
    matches!(
        channel,
        Channel::Email | Channel::LinkedinMessage | Channel::Sms | Channel::Video | Channel::DirectMail
    )
}

fn no_cta(touches: &[&StepFile], log: &mut Log) {
    let missing: Vec<_> = touches
        .iter()
        .filter(|step| given(&step.channel).is_some_and(|channel| asks(*channel)) && step.cta.is_none())
        .collect();
    let Some(first) = missing.first() else { return };
    let ids: Vec<_> = missing.iter().filter_map(|step| step.id.get()).map(|id| format!("`{id}`")).collect();
    let say = match ids.as_slice() {
        [one] => format!("the message {one} has no call to action"),
        many => format!("the messages {} have no call to action", many.join(", ")),
    };
    log.push(
        Finding::new(Code::NoCta, first.id.at, say).hint("say with `cta` what the contact is asked to do"),
    );
}

fn single_channel(touches: &[&StepFile], name: Extent, log: &mut Log) {
    let mut channels: Vec<_> = touches.iter().filter_map(|step| given(&step.channel)).collect();
    if channels.len() < MANY {
        return;
    }
    channels.dedup();
    if let [only] = channels.as_slice() {
        log.report(Code::SingleChannel, name, format!("all touches are on one channel, {only}"));
    }
}

/// The touches with a day number.
fn days<'a>(touches: &[&'a StepFile]) -> Vec<(u32, &'a StepFile)> {
    touches.iter().filter_map(|step| Some((given(&step.day)?.0, *step))).collect()
}

fn shrinking_gaps(touches: &[&StepFile], log: &mut Log) {
    let mut longest = 0;
    for pair in days(touches).windows(2) {
        let ((before, _), (day, step)) = (pair[0], pair[1]);
        let gap = day.saturating_sub(before);
        if gap == 0 {
            continue;
        }
        if gap * 2 < longest {
            let at = step.day.as_ref().map_or(step.id.at, |day| day.at);
            let say = format!(
                "the gap shrinks to {gap} d after one of {longest} d: pressure should ease off, not rise"
            );
            log.report(Code::ShrinkingGaps, at, say);
        }
        longest = longest.max(gap);
    }
}

fn too_dense(touches: &[&StepFile], log: &mut Log) {
    let mut by_day: BTreeMap<u32, Vec<&StepFile>> = BTreeMap::new();
    for (day, step) in days(touches) {
        by_day.entry(day).or_default().push(step);
    }
    for (day, steps) in by_day.iter().filter(|(_, steps)| steps.len() > MOST_A_DAY) {
        let at = steps[MOST_A_DAY].id.at;
        log.report(Code::TooDense, at, format!("{} touches have the day number {day}", steps.len()));
    }
}

fn too_long(touches: &[&StepFile], log: &mut Log) {
    if let Some((day, step)) =
        days(touches).into_iter().max_by_key(|(day, _)| *day).filter(|(day, _)| *day > LAST_DAY)
    {
        let at = step.day.as_ref().map_or(step.id.at, |day| day.at);
        log.report(
            Code::TooLong,
            at,
            format!("the cadence runs for {day} days; most answers come within {LAST_DAY}"),
        );
    }
    if let Some(step) = touches.get(MOST_TOUCHES) {
        log.report(Code::TooLong, step.id.at, format!("the cadence has {} touches", touches.len()));
    }
}
