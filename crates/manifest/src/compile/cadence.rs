//! Cadences.

use domain::cadence::{
    Cadence, End, Entry, ExitEffect, ExitRule, ExitScope, Goal, Guards, Jump, Limits, OnConflict, Outcome,
    PauseLength, PausePolicy, Reentry, Target, Trigger, ZoneRule,
};
use domain::event::{EventKind, StopClass};
use domain::expr::Position;
use domain::id::{CadenceName, Class, ConnectorName};
use domain::time::{DayCounting, Limit, Quota, Span};
use domain::touch::Channel;

use super::expression::Around;
use super::{Compiler, Names, Version};
use crate::diagnostic::{Code, Finding, suggest};
use crate::document::Kind;
use crate::model::{
    At, CadenceSpec, CapFile, EffectWord, EntryFile, Exclusive, ExitRuleFile, JumpFile, LimitsFile, List,
    Maybe, OneOrMany, ReentryFile, UntilFile, ZoneFile, check_trigger, given,
};

/// The priority of a cadence that names none.
const PRIORITY: u8 = 50;

impl Compiler<'_> {
    /// What a refused part leaves out makes the whole unusable: the caller drops it when there are errors.
    pub(super) fn cadence(
        &mut self,
        spec: &CadenceSpec,
        labels: &[(String, String)],
        version: Version,
    ) -> Option<Cadence> {
        let files = spec.steps.get().map_or(&[][..], |steps| steps.0.as_slice());
        let ids: Vec<&str> =
            files.iter().filter_map(|step| step.get()?.id.get()).map(AsRef::as_ref).collect();
        if files.is_empty() && spec.steps.get().is_some() {
            self.report(Code::BadValue, spec.steps.at, "a cadence needs at least one step");
        }
        let connector = given(&spec.connector).cloned().unwrap_or_else(ConnectorName::inbox);
        self.connector(&spec.connector);
        for calendar in &spec.holidays.0 {
            if let Some(name) = calendar.get() {
                self.exists(Kind::Calendar, name.0.as_str(), calendar.at);
            }
        }
        Some(Cadence {
            version: version.id,
            number: version.number,
            name: CadenceName::new(&self.document.name).ok()?,
            labels: labels.iter().cloned().collect(),
            reason: given(&spec.reason).cloned(),
            goal: self.goal(spec, &ids),
            priority: given(&spec.priority).and_then(|whole| u8::try_from(whole.0).ok()).unwrap_or(PRIORITY),
            class: match given(&spec.exclusive) {
                None => Some(Class::default_class()),
                Some(Exclusive::None) => None,
                Some(Exclusive::Class(class)) => Some(class.clone()),
            },
            connector,
            zone: match given(&spec.zone) {
                None | Some(ZoneFile::Contact) => ZoneRule::Contact,
                Some(ZoneFile::Preferring(zone)) => ZoneRule::Preferring(zone.clone()),
                Some(ZoneFile::Fixed(zone)) => ZoneRule::Fixed(zone.clone()),
            },
            window: given(&spec.window).map(|window| window.0.clone()),
            holidays: spec
                .holidays
                .0
                .iter()
                .filter_map(|name| name.get().map(|name| name.0.clone()))
                .collect(),
            days: given(&spec.days).copied().unwrap_or(DayCounting::Calendar),
            entry: given(&spec.entry).map(|entry| self.entry(entry, &ids)),
            guards: Guards::new(given(&spec.guards).into_iter().flat_map(|guards| guards.0.iter().copied())),
            exit: spec.exit.0.iter().filter_map(|rule| self.exit(rule, &ids)).collect(),
            on: self.jumps(&spec.on, &ids),
            steps: self.steps(files, &ids, given(&spec.window).map(|window| &window.0)),
            end: given(&spec.end).map_or(End { wait: Span::days(0), outcome: Outcome::Stopped }, |end| End {
                wait: given(&end.wait).copied().unwrap_or(Span::days(0)),
                outcome: given(&end.outcome).copied().unwrap_or(Outcome::Stopped),
            }),
            overdue: spec.overdue.as_ref().and_then(|overdue| self.overdue(overdue, &ids)),
            limits: given(&spec.limits).map(|limits| self.limits(limits)).unwrap_or_default(),
            pause: PausePolicy {
                out_of_office: given(&spec.pause)
                    .and_then(|pause| given(&pause.out_of_office))
                    .copied()
                    .unwrap_or_else(|| PausePolicy::default().out_of_office),
            },
        })
    }

    fn connector(&mut self, connector: &Maybe<ConnectorName>) {
        let Names::Of(known) = self.names else { return };
        let (Some(at), Some(known)) = (connector, known.connector_names()) else { return };
        let Some(name) = at.get().map(ConnectorName::as_str).filter(|name| !known.contains(name)) else {
            return;
        };
        let say = format!("the configuration has no connector `{name}`");
        let finding = Finding::new(Code::UnknownName, at.at, say);
        self.log.push(finding.maybe_hint(suggest(name, known.iter().copied())));
    }

    fn goal(&mut self, spec: &CadenceSpec, ids: &[&str]) -> Option<Goal> {
        let goal = given(&spec.goal)?;
        let on = *goal.on.get()?;
        Some(Goal { on, when: self.maybe_expression(&goal.when, Around::event(on, ids)) })
    }

    fn entry(&mut self, entry: &EntryFile, ids: &[&str]) -> Entry {
        let mut triggers = Vec::new();
        for trigger in entry.triggers.0.iter().filter_map(At::get) {
            check_trigger(&trigger.on, self.log);
            let Some(on) = trigger.on.get().copied() else { continue };
            let around = Around { kind: Some(on), ..Around::new(Position::Trigger, ids) };
            triggers.push(Trigger { on, when: self.maybe_expression(&trigger.when, around) });
        }
        Entry {
            triggers,
            audience: self.maybe_expression(&entry.audience, Around::new(Position::Audience, ids)),
            reentry: match given(&entry.reentry) {
                None | Some(ReentryFile::Never) => Reentry::Never,
                Some(ReentryFile::Always) => Reentry::Always,
                Some(ReentryFile::After(span)) => Reentry::After(*span),
            },
            on_conflict: given(&entry.on_conflict).copied().unwrap_or(OnConflict::Preempt),
        }
    }

    fn exit(&mut self, rule: &At<ExitRuleFile>, ids: &[&str]) -> Option<ExitRule> {
        let (at, rule) = (rule.at, rule.get()?);
        let on = given(&rule.on).copied();
        let scope = given(&rule.scope).copied().unwrap_or(ExitScope::Contact);
        if rule.on.is_none() && rule.when.is_none() {
            self.report(Code::MissingKey, at, "an exit rule needs `on` or `when`");
        }
        if let (None, Some(at), true) = (&rule.on, &rule.scope, scope != ExitScope::Contact) {
            self.report(
                Code::Conflict,
                at.at,
                format!("`scope: {scope}` needs `on`: whose event would it be?"),
            );
        }
        let around = on.map_or_else(|| Around::new(Position::Guard, ids), |kind| Around::event(kind, ids));
        Some(ExitRule {
            on,
            when: self.maybe_expression(&rule.when, around),
            scope,
            effect: self.effect(rule, on)?,
        })
    }

    fn effect(&mut self, rule: &ExitRuleFile, on: Option<EventKind>) -> Option<ExitEffect> {
        let word = rule.effect.as_ref().map_or(Some(EffectWord::Exit), |effect| effect.value)?;
        let effect_at = rule.effect.as_ref().map(|effect| effect.at);
        let (only_exit, only_pause) = (word == EffectWord::Exit, word == EffectWord::Pause);
        if let Some(outcome) = rule.outcome.as_ref().filter(|_| !only_exit) {
            self.report(Code::Conflict, outcome.at, "`outcome` goes with `effect: exit` only");
        }
        let lengths =
            [rule.pause_for.as_ref().map(|span| span.at), rule.until.as_ref().map(|until| until.at)];
        for at in lengths.into_iter().flatten().filter(|_| !only_pause) {
            self.report(Code::Conflict, at, "`for` and `until` go with `effect: pause` only");
        }
        match word {
            EffectWord::Exit => {
                Some(ExitEffect::Exit { outcome: given(&rule.outcome).copied().unwrap_or(Outcome::Stopped) })
            }
            EffectWord::Pause => match (&rule.pause_for, &rule.until) {
                (Some(span), None) => span.value.map(|span| ExitEffect::Pause(PauseLength::For(span))),
                (None, Some(until)) => until.value.map(|until| {
                    ExitEffect::Pause(match until {
                        UntilFile::Event => PauseLength::UntilEvent,
                        UntilFile::Moment(moment) => PauseLength::Until(moment),
                    })
                }),
                (Some(_), Some(until)) => {
                    self.report(Code::Conflict, until.at, "`for` and `until` exclude each other");
                    None
                }
                (None, None) => {
                    let at = effect_at.unwrap_or_default();
                    self.report(Code::MissingKey, at, "`effect: pause` needs `for` or `until`");
                    None
                }
            },
            EffectWord::Ignore => {
                let at = effect_at.unwrap_or_default();
                match on {
                    None => self.report(Code::MissingKey, at, "`effect: ignore` needs `on`"),
                    Some(kind) if kind.stop_class() == StopClass::Always => {
                        let say = format!("`{kind}` always stops: no rule can switch that off");
                        self.report(Code::Conflict, at, say);
                    }
                    Some(_) => {}
                }
                Some(ExitEffect::Ignore)
            }
        }
    }

    pub(super) fn jumps(&mut self, jumps: &List<JumpFile>, ids: &[&str]) -> Vec<Jump> {
        let mut compiled = Vec::new();
        for jump in jumps.0.iter().filter_map(At::get) {
            let Some(event) = jump.event.get().copied() else { continue };
            let when = self.maybe_expression(&jump.when, Around::event(event, ids));
            let goto = self.target(&jump.goto, ids);
            compiled.extend(goto.map(|goto| Jump { event, when, goto }));
        }
        compiled
    }

    /// Where something leads, when there is such a step.
    pub(super) fn target(&mut self, target: &At<Target>, ids: &[&str]) -> Option<Target> {
        if let Some(Target::Step(id)) = target.get() {
            self.step_exists(id.as_str(), target.at, ids);
        }
        target.value.clone()
    }

    pub(super) fn step_exists(&mut self, id: &str, at: crate::source::Extent, ids: &[&str]) {
        if !ids.contains(&id) {
            let finding = Finding::new(Code::UnknownName, at, format!("there is no step `{id}`"));
            self.log.push(finding.maybe_hint(suggest(id, ids.iter().copied())));
        }
    }

    fn limits(&mut self, limits: &LimitsFile) -> Limits {
        Limits {
            gap: given(&limits.gap).copied(),
            per_contact: self.caps(&limits.per_contact),
            per_owner: self.caps(&limits.per_owner),
        }
    }

    fn caps(&mut self, caps: &Maybe<OneOrMany<CapFile>>) -> Vec<Limit<Channel>> {
        let caps = given(caps).into_iter().flat_map(|caps| &caps.0);
        let mut limits = Vec::new();
        for cap in caps.filter_map(At::get) {
            let (Some(max), Some(per)) = (cap.max.get(), cap.per.get()) else { continue };
            match Quota::new(max.0, *per) {
                Ok(quota) => limits.push(Limit { quota, channel: given(&cap.channel).copied() }),
                Err(error) => self.report(Code::BadValue, cap.per.at, error.to_string()),
            }
        }
        limits
    }
}
