//! Steps.

use std::collections::{BTreeMap, BTreeSet};

use domain::cadence::{
    Branch, DEFAULT_MAX_VISITS, Overdue, OverdueAction, Step, StepBody, Target, TouchSpec, Variant, WaitSpec,
};
use domain::expr::Position;
use domain::id::{StepId, TemplateName, VariantName};
use domain::time::{Timing, Window, WindowPatch};
use domain::touch::Channel;

use super::expression::Around;
use super::{Compiler, Names};
use crate::diagnostic::{Code, Finding, suggest};
use crate::document::Kind;
use crate::model::{
    ArmFile, At, BranchFile, Later, List, Maybe, Named, OverdueFile, OverdueWord, StepFile, WaitFile, given,
};
use crate::source::Extent;

/// What a task may come to; some also raise an event of their own.
pub(crate) const TASK_OUTCOMES: [&str; 12] = [
    "done",
    "connected",
    "no_answer",
    "voicemail",
    "wrong_number",
    "busy",
    "not_a_fit",
    "left_company",
    "meeting_booked",
    "meeting_held",
    "do_not_contact",
    "not_now",
];

impl Compiler<'_> {
    pub(super) fn steps(
        &mut self,
        files: &[At<StepFile>],
        ids: &[&str],
        window: Option<&Window>,
    ) -> Vec<Step> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut steps = Vec::new();
        for (index, at) in files.iter().enumerate() {
            let Some(file) = at.get() else { continue };
            if let Some(id) = file.id.get() {
                if matches!(id.as_str(), "next" | "end") {
                    self.report(
                        Code::BadValue,
                        file.id.at,
                        format!("`{id}` is taken: give the step another id"),
                    );
                }
                if !seen.insert(id.as_str()) {
                    self.report(Code::DuplicateName, file.id.at, format!("two steps have the id `{id}`"));
                }
            }
            let around = StepAround { at: at.at, earlier: &files[..index], ids, window };
            steps.extend(self.step(file, around));
        }
        steps
    }

    fn step(&mut self, file: &StepFile, around: StepAround<'_>) -> Option<Step> {
        let body = self.body(file, around);
        let when = self.maybe_expression(&file.when, Around::new(Position::Guard, around.ids));
        let on = self.jumps(&file.on, around.ids);
        let next = file.next.as_ref().map_or(Some(Target::Next), |next| self.target(next, around.ids));
        let mut step = Step {
            id: file.id.get()?.clone(),
            when,
            next: next?,
            max_visits: given(&file.max_visits).map_or(DEFAULT_MAX_VISITS, |visits| visits.0),
            on,
            body: body?,
        };
        settle_next(&mut step);
        Some(step)
    }

    fn body(&mut self, file: &StepFile, around: StepAround<'_>) -> Option<StepBody> {
        let kinds = [
            ("channel", file.channel.as_ref().map(|channel| channel.at)),
            ("wait_for", file.wait_for.as_ref().map(|wait| wait.at)),
            ("branch", file.branch.as_ref().map(|branch| branch.at)),
        ];
        let present: Vec<_> = kinds.into_iter().filter_map(|(key, at)| Some((key, at?))).collect();
        let composite = file.all_of == Later::Refused || file.one_of == Later::Refused;
        match present.as_slice() {
            [] if composite => None,
            [] => {
                let say = "a step needs `channel`, `wait_for` or `branch`";
                self.report(Code::MissingKey, around.at, say);
                None
            }
            [(first, _), (second, at), ..] => {
                self.report(
                    Code::Conflict,
                    *at,
                    format!("`{second}` and `{first}` exclude each other: make two steps"),
                );
                None
            }
            [(kind, _)] => {
                if *kind != "channel" {
                    self.no_touch_keys(file, kind);
                }
                if let Some(channel) = &file.channel {
                    return self
                        .touch(file, *channel.get()?, around)
                        .map(|touch| StepBody::Touch(Box::new(touch)));
                }
                if let Some(branch) = &file.branch {
                    return self.branch(branch, around);
                }
                self.wait(given(&file.wait_for)?, around)
            }
        }
    }

    /// Refuses the keys of a touch on a step that is none.
    fn no_touch_keys(&mut self, file: &StepFile, kind: &str) {
        let keys: [(&str, Option<Extent>); 15] = [
            ("purpose", place(&file.purpose)),
            ("cta", place(&file.cta)),
            ("template", place(&file.template)),
            ("script", place(&file.script)),
            ("variants", place(&file.variants)),
            ("reply_to", place(&file.reply_to)),
            ("day", place(&file.day)),
            ("at", place(&file.at)),
            ("after", place(&file.after)),
            ("window", place(&file.window)),
            ("due_within", place(&file.due_within)),
            ("completion", place(&file.completion)),
            ("outcomes", place(&file.outcomes)),
            ("overdue", place(&file.overdue)),
            ("on", file.on.0.first().filter(|_| kind == "branch").map(|jump| jump.at)),
        ];
        for (key, at) in keys {
            if let Some(at) = at {
                self.report(Code::Conflict, at, format!("`{key}` has no meaning on a step with `{kind}`"));
            }
        }
    }

    fn touch(&mut self, file: &StepFile, channel: Channel, around: StepAround<'_>) -> Option<TouchSpec> {
        let template = self.template_of(&file.template, &file.script, channel);
        let variants = self.variants(file, channel);
        if let Some(reply_to) = &file.reply_to {
            self.reply_to(reply_to, channel, around);
        }
        if let (Some(patch), Some(at)) = (given(&file.window), &file.window) {
            self.window(patch, at.at, around.window);
        }
        let mut outcomes = BTreeMap::new();
        for outcome in given(&file.outcomes).into_iter().flat_map(|outcomes| &outcomes.0) {
            if !TASK_OUTCOMES.contains(&outcome.name.as_str()) {
                let say = format!("unknown key `{}`: no task has that outcome", outcome.name);
                let finding = Finding::new(Code::UnknownKey, outcome.at, say);
                self.log.push(finding.maybe_hint(suggest(&outcome.name, TASK_OUTCOMES)));
            }
            let target = self.target(&outcome.value, around.ids);
            outcomes.extend(target.map(|target| (outcome.name.clone(), target)));
        }
        Some(TouchSpec {
            channel,
            timing: Timing {
                day: given(&file.day).map(|day| day.0),
                at: given(&file.at).map(|clock| clock.0),
                after: given(&file.after).copied(),
            },
            window: given(&file.window).cloned(),
            purpose: given(&file.purpose).cloned(),
            cta: given(&file.cta).cloned(),
            template,
            variants,
            reply_to: given(&file.reply_to).cloned(),
            due_within: given(&file.due_within).copied(),
            completion: given(&file.completion).copied(),
            outcomes,
            overdue: file.overdue.as_ref().and_then(|overdue| self.overdue(overdue, around.ids)),
        })
    }

    fn template_of(
        &mut self,
        template: &Maybe<TemplateName>,
        script: &Maybe<TemplateName>,
        channel: Channel,
    ) -> Option<TemplateName> {
        if let (Some(_), Some(script)) = (template, script) {
            self.report(Code::Conflict, script.at, "`template` and `script` exclude each other");
        }
        let named = template.as_ref().or(script.as_ref())?;
        let name = named.get()?;
        self.exists(Kind::Template, name.as_str(), named.at);
        if let Names::Of(known) = self.names {
            let made_for = known.channel(&self.document.workspace, name.as_str());
            if let Some(other) = made_for.filter(|other| *other != channel) {
                let say = format!(
                    "the template `{name}` is made for the channel {other}, the step is of {channel}"
                );
                self.report(Code::TemplateChannel, named.at, say);
            }
        }
        Some(name.clone())
    }

    fn variants(&mut self, file: &StepFile, channel: Channel) -> BTreeMap<VariantName, Variant> {
        let (Some(at), Some(Named(arms))) = (&file.variants, given(&file.variants)) else {
            return BTreeMap::new();
        };
        if let Some(template) = place(&file.template).or(place(&file.script)) {
            let say = "a template beside `variants` is never used: name it in the arms";
            self.report(Code::Conflict, template, say);
        }
        if arms.is_empty() {
            self.report(Code::BadValue, at.at, "`variants` needs at least one arm");
        }
        let mut variants = BTreeMap::new();
        for arm in arms {
            let name = VariantName::new(&arm.name);
            if let Err(error) = &name {
                self.report(Code::BadValue, arm.at, error.to_string());
            }
            let variant = arm.value.get().map(|file| self.arm(file, channel));
            variants.extend(name.ok().zip(variant));
        }
        variants
    }

    fn arm(&mut self, file: &ArmFile, channel: Channel) -> Variant {
        Variant {
            template: self.template_of(&file.template, &file.script, channel),
            weight: given(&file.weight).map_or(1, |weight| weight.0),
        }
    }

    fn reply_to(&mut self, reply_to: &At<StepId>, channel: Channel, around: StepAround<'_>) {
        let Some(id) = reply_to.get() else { return };
        if channel != Channel::Email {
            self.report(
                Code::Conflict,
                reply_to.at,
                format!("`reply_to` threads e-mails, and the step is of {channel}"),
            );
            return;
        }
        let earlier = around.earlier.iter().filter_map(At::get).find(|step| step.id.get() == Some(id));
        match earlier {
            Some(step) if given(&step.channel) == Some(&Channel::Email) => {}
            Some(_) => self.report(
                Code::Conflict,
                reply_to.at,
                format!("the step `{id}` sends no e-mail to reply to"),
            ),
            None if around.ids.contains(&id.as_str()) => {
                self.report(Code::Conflict, reply_to.at, format!("the step `{id}` is not before this one"));
            }
            None => self.step_exists(id.as_str(), reply_to.at, around.ids),
        }
    }

    /// Tries whether the step's keys fit the cadence's window; where that is the deployment's, only the touch can tell.
    fn window(&mut self, patch: &WindowPatch, at: Extent, base: Option<&Window>) {
        if let Some(Err(error)) = base.map(|base| patch.apply(base)) {
            self.report(Code::BadValue, at, error.to_string());
        }
    }

    pub(super) fn overdue(&mut self, at: &At<OverdueFile>, ids: &[&str]) -> Option<Overdue> {
        let overdue = at.get()?;
        let then = *overdue.then.get()?;
        match (&overdue.to, then) {
            (Some(to), OverdueWord::Wait | OverdueWord::Skip | OverdueWord::Exit) => {
                self.report(Code::Conflict, to.at, "`to` goes with `then: goto` only");
            }
            (None, OverdueWord::Goto) => {
                self.report(Code::MissingKey, overdue.then.at, "`then: goto` needs `to`");
            }
            _ => {}
        }
        let target = overdue.to.as_ref().and_then(|to| self.target(to, ids));
        Some(Overdue {
            after: *overdue.after.get()?,
            then: match then {
                OverdueWord::Wait => OverdueAction::Wait,
                OverdueWord::Skip => OverdueAction::Skip,
                OverdueWord::Exit => OverdueAction::Exit,
                OverdueWord::Goto => match target? {
                    Target::Next => OverdueAction::Skip,
                    target => OverdueAction::Goto(target),
                },
            },
        })
    }

    fn wait(&mut self, wait: &WaitFile, around: StepAround<'_>) -> Option<StepBody> {
        let event = *wait.event.get()?;
        if let Some(of) = &wait.of {
            self.waits_of(of, around);
        }
        let target = |compiler: &mut Self, target: &Maybe<Target>| {
            target.as_ref().map_or(Some(Target::Next), |target| compiler.target(target, around.ids))
        };
        Some(StepBody::Wait(WaitSpec {
            event,
            when: self.maybe_expression(&wait.when, Around::event(event, around.ids)),
            of: given(&wait.of).cloned(),
            up_to: *wait.up_to.get()?,
            then: target(self, &wait.then)?,
            otherwise: target(self, &wait.otherwise)?,
        }))
    }

    fn waits_of(&mut self, of: &At<StepId>, around: StepAround<'_>) {
        let Some(id) = of.get() else { return };
        if !around.ids.contains(&id.as_str()) {
            self.step_exists(id.as_str(), of.at, around.ids);
            return;
        }
        let earlier = around.earlier.iter().filter_map(At::get).find(|step| step.id.get() == Some(id));
        if earlier.is_some_and(|step| step.channel.is_none()) {
            self.report(Code::Conflict, of.at, format!("the step `{id}` is no touch to wait for"));
        }
    }

    fn branch(&mut self, at: &At<List<BranchFile>>, around: StepAround<'_>) -> Option<StepBody> {
        let arms = at.get()?;
        if arms.0.is_empty() {
            self.report(Code::BadValue, at.at, "`branch` needs at least one way");
        }
        let mut ways = Vec::new();
        for arm in arms.0.iter().filter_map(At::get) {
            let when = self.expression(&arm.when, Around::new(Position::Guard, around.ids));
            let goto = self.target(&arm.goto, around.ids);
            ways.extend(when.zip(goto).map(|(when, goto)| Branch { when, goto }));
        }
        Some(StepBody::Branch(ways))
    }
}

/// `next` as a target is where the step's own `next` leads, so that it is written once.
fn settle_next(step: &mut Step) {
    let next = &step.next;
    let targets = step.on.iter_mut().map(|jump| &mut jump.goto);
    let inside: Vec<&mut Target> = match &mut step.body {
        StepBody::Touch(touch) => touch.outcomes.values_mut().collect(),
        StepBody::Wait(wait) => vec![&mut wait.then, &mut wait.otherwise],
        StepBody::Branch(ways) => ways.iter_mut().map(|way| &mut way.goto).collect(),
    };
    for target in targets.chain(inside).filter(|target| **target == Target::Next) {
        target.clone_from(next);
    }
}

/// What stands around a step.
#[derive(Clone, Copy)]
struct StepAround<'a> {
    at: Extent,
    earlier: &'a [At<StepFile>],
    ids: &'a [&'a str],
    window: Option<&'a Window>,
}

fn place<T>(maybe: &Maybe<T>) -> Option<Extent> {
    maybe.as_ref().map(|at| at.at)
}
