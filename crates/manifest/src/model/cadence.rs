//! `kind: Cadence`.

use domain::cadence::{ExitScope, Guard, OnConflict, Outcome, Switch, Target};
use domain::event::EventKind;
use domain::id::{CalendarName, Class, ConnectorName};
use domain::time::{DayCounting, Span};
use domain::touch::Channel;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::leaf::{Arithmetic, Cel, Mode, Record, Spacing, Whole, guard_names};
use super::read::{At, List, Maybe, OneOrMany, Read, mapping, mismatch, not_supported, text, word};
use super::step::{OverdueFile, StepFile};
use super::time::{UntilFile, WindowFile};
use crate::diagnostic::{Code, Finding, Log, suggest};
use crate::yaml::{Node, NodeKind};

mapping! {
    /// A cadence: who enters it, what is done when, and what ends it.
    CadenceSpec {
        /// Why we reach out; every task says it.
        "reason" reason: Maybe<String>,
        /// What counts as success: an event kind, or one with a condition.
        "goal" goal: Maybe<Goal>,
        /// 0 to 100, 50 by default: of several cadences that an event would start, the highest enters.
        "priority" priority: Maybe<Whole<0, 100>>,
        /// The class in which a contact has at most one live enrollment; `none` runs beside any.
        "exclusive" exclusive: Maybe<Exclusive>,
        /// Where the tasks go; by default the built-in inbox.
        "connector" connector: Maybe<ConnectorName>,
        /// In whose zone times are meant: `contact`, an IANA name to fall back on, or `{ fixed: NAME }`.
        "zone" zone: Maybe<ZoneFile>,
        /// When touches may go out; by default the deployment's window.
        "window" window: Maybe<WindowFile>,
        /// Calendars whose closed days are kept.
        "holidays" holidays: List<HolidayName>,
        /// What `day: N` counts: calendar days (default) or business days.
        "days" days: Maybe<DayCounting>,
        /// Who enters, when; without it contacts are enrolled by hand.
        "entry" entry: Maybe<EntryFile>,
        /// Checks before entry, switched on or off.
        "guards" guards: Maybe<GuardsFile>,
        /// Rules that end or pause an enrollment, before the built-in ones; the first that matches wins.
        "exit" exit: List<ExitRuleFile>,
        /// Jumps on events, at any step.
        "on" on: List<JumpFile>,
        /// The steps, in order.
        "steps" steps: At<List<StepFile>>,
        /// What happens after the last step.
        "end" end: Maybe<EndFile>,
        /// What happens to open tasks that nobody works.
        "overdue" overdue: Maybe<OverdueFile>,
        /// Gaps and caps; they count the touches of all cadences.
        "limits" limits: Maybe<LimitsFile>,
        /// How pauses count.
        "pause" pause: Maybe<PauseFile>,
        /// Which warnings not to give.
        "lint" lint: Maybe<LintFile>,
    }
    checked {
        /// What the task is attached to.
        "record": Record,
        /// Whether touches are created.
        "mode": Mode,
        /// What a late completion does to later day numbers: they stay.
        "spacing": Spacing,
    }
    later { "assign", "variants", "guardrails" }
}

mapping! {
    /// An event kind with a condition.
    GoalRule {
        /// The event kind.
        "on" on: At<EventKind>,
        /// What else must be true.
        "when" when: Maybe<Cel>,
    }
}

/// `goal`.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    pub(crate) on: At<EventKind>,
    pub(crate) when: Maybe<Cel>,
}

impl Read for Goal {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        if let NodeKind::Mapping(_) = node.kind {
            return GoalRule::read(node, log).map(|rule| Self { on: rule.on, when: rule.when });
        }
        Some(Self { on: At::of(node, log), when: None })
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (kind, rule) = (EventKind::schema(generator), GoalRule::schema(generator));
        json_schema!({ "anyOf": [kind, rule] })
    }
}

/// `exclusive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exclusive {
    None,
    Class(Class),
}

impl Read for Exclusive {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        match text(node, "the name of a class, or `none`", log)? {
            "none" => Some(Self::None),
            name => Class::new(name)
                .map(Self::Class)
                .map_err(|error| log.report(Code::BadValue, node.at, error.to_string()))
                .ok(),
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// `zone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ZoneFile {
    Contact,
    Preferring(String),
    Fixed(String),
}

mapping! {
    /// One zone for every contact.
    FixedZone {
        /// Its IANA name.
        "fixed" fixed: At<ZoneName>,
    }
}

/// An IANA zone name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneName(String);

impl Read for ZoneName {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let name = text(node, "the name of a time zone such as Europe/Berlin", log)?;
        // Names are compared without case; the database says how they are written.
        let zone = jiff::tz::TimeZone::get(name).ok();
        if let Some(written) = zone.as_ref().and_then(jiff::tz::TimeZone::iana_name) {
            return Some(Self(written.to_owned()));
        }
        let known: Vec<_> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
        let say = format!("`{name}` is not a time zone");
        let hint = suggest(name, known.iter().map(String::as_str));
        log.push(Finding::new(Code::BadValue, node.at, say).maybe_hint(hint));
        None
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An IANA time zone, such as Europe/Berlin." })
    }
}

impl Read for ZoneFile {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        if let NodeKind::Mapping(_) = node.kind {
            return FixedZone::read(node, log)?.fixed.value.map(|name| Self::Fixed(name.0));
        }
        if text(node, "`contact`, a time zone or { fixed: ZONE }", log)? == "contact" {
            return Some(Self::Contact);
        }
        ZoneName::read(node, log).map(|name| Self::Preferring(name.0))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (name, fixed) = (ZoneName::schema(generator), FixedZone::schema(generator));
        json_schema!({ "anyOf": [{ "const": "contact" }, name, fixed] })
    }
}

/// A calendar file's name. Public holidays come later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HolidayName(pub(crate) CalendarName);

impl Read for HolidayName {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        if node.text() == Some("contact") {
            let say = "`contact` (the public holidays of the contact's country) is not supported yet";
            log.push(Finding::new(Code::NotSupported, node.at, say).hint("name a Calendar file"));
            return None;
        }
        CalendarName::read(node, log).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        CalendarName::schema(generator)
    }
}

mapping! {
    /// Who enters, when.
    EntryFile {
        /// Any of them starts an entry.
        "triggers" triggers: List<TriggerFile>,
        /// Who may enter; judged at entry only.
        "audience" audience: Maybe<Cel>,
        /// When the same contact may enter again: `never` (default), `always` or `{ after: 90d }`.
        "reentry" reentry: Maybe<ReentryFile>,
        /// What a newcomer does when its class is taken: `preempt` (default) a lower priority, or `refuse`.
        "on_conflict" on_conflict: Maybe<OnConflict>,
    }
}

mapping! {
    /// What starts an entry.
    TriggerFile {
        /// The event kind.
        "on" on: At<EventKind>,
        /// What else must be true.
        "when" when: Maybe<Cel>,
    }
    later { "in", "for" }
}

mapping! {
    /// When the same contact may enter again.
    CoolDown {
        /// So long after the last enrollment ended.
        "after" after: At<Span>,
    }
    later { "retry", "once_per" }
}

/// `reentry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReentryFile {
    Never,
    Always,
    After(Span),
}

impl Read for ReentryFile {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        if let NodeKind::Mapping(_) = node.kind {
            return CoolDown::read(node, log)?.after.value.map(Self::After);
        }
        let known = [("never", Self::Never), ("always", Self::Always)];
        word(node, ("`never`, `always` or { after: DURATION }", &known, &[]), log)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let after = CoolDown::schema(generator);
        json_schema!({ "anyOf": [{ "enum": ["never", "always"] }, after] })
    }
}

/// `guards`: the author's changes to the defaults.
#[derive(Debug, Clone)]
pub(crate) struct GuardsFile(pub(crate) Vec<(Guard, Switch)>);

impl Read for GuardsFile {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let NodeKind::Mapping(entries) = &node.kind else {
            return mismatch(node, "a mapping of guards to `on` or `off`", log);
        };
        let mut changes = Vec::new();
        for entry in entries {
            match Guard::parse(&entry.key) {
                Some(guard) => changes.extend(Switch::read(&entry.value, log).map(|switch| (guard, switch))),
                None if entry.key == "suppressed" => {
                    log.report(Code::BadValue, entry.at, "the guard `suppressed` cannot be switched off");
                }
                None => {
                    let hint = suggest(&entry.key, guard_names());
                    let say = format!("unknown key `{}`: it is not a guard", entry.key);
                    log.push(Finding::new(Code::UnknownKey, entry.at, say).maybe_hint(hint));
                }
            }
        }
        Some(Self(changes))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let switch = Switch::schema(generator);
        let names: Vec<_> = guard_names().collect();
        json_schema!({ "type": "object", "propertyNames": { "enum": names }, "additionalProperties": switch })
    }
}

mapping! {
    /// A rule that ends or pauses the enrollment.
    ExitRuleFile {
        /// The event kind; without it the rule is judged at every event of the contact and before each touch.
        "on" on: Maybe<EventKind>,
        /// What else must be true.
        "when" when: Maybe<Cel>,
        /// Whose event counts: the contact's (default), anyone else's at the account, or either.
        "scope" scope: Maybe<ExitScope>,
        /// What it does: `exit` (default), `pause`, or `ignore`, which switches a built-in rule off.
        "effect" effect: Maybe<EffectWord>,
        /// With what outcome it exits; `stopped` by default.
        "outcome" outcome: Maybe<Outcome>,
        /// How long it pauses.
        "for" pause_for: Maybe<Span>,
        /// Until when it pauses.
        "until" until: Maybe<UntilFile>,
    }
    later { "resume" }
}

/// `effect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EffectWord {
    Exit,
    Pause,
    Ignore,
}

impl Read for EffectWord {
    fn read(node: &Node, log: &mut Log) -> Option<Self> {
        let known = [("exit", Self::Exit), ("pause", Self::Pause), ("ignore", Self::Ignore)];
        word(node, ("an effect", &known, &["delay"]), log)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": ["exit", "pause", "ignore"] })
    }
}

mapping! {
    /// A jump on an event.
    JumpFile {
        /// The event kind.
        "event" event: At<EventKind>,
        /// What else must be true.
        "when" when: Maybe<Cel>,
        /// Where it leads.
        "goto" goto: At<Target>,
    }
    later { "switch" }
}

mapping! {
    /// What happens after the last step.
    EndFile {
        /// How long late answers still count as this cadence's; not at all by default.
        "wait" wait: Maybe<Span>,
        /// The outcome then; `stopped` by default.
        "outcome" outcome: Maybe<Outcome>,
    }
    later { "resume" }
}

mapping! {
    /// Gaps and caps.
    LimitsFile {
        /// The least time since the contact's last touch of any cadence.
        "gap" gap: Maybe<Span>,
        /// Touches of one contact.
        "per_contact" per_contact: Maybe<OneOrMany<CapFile>>,
        /// Touches of one owner.
        "per_owner" per_owner: Maybe<OneOrMany<CapFile>>,
    }
    later { "per_account", "per_mailbox", "live_per_account", "entries" }
}

mapping! {
    /// So many touches in a period.
    CapFile {
        /// How many.
        "max" max: At<Whole<1, 1_000_000>>,
        /// In how long; `1d` is a calendar day, other periods slide.
        "per" per: At<Span>,
        /// Only touches on this channel.
        "channel" channel: Maybe<Channel>,
    }
}

mapping! {
    /// How pauses count.
    PauseFile {
        /// How long an out-of-office reply without a date pauses; a week by default.
        "out_of_office" out_of_office: Maybe<Span>,
    }
    checked {
        /// The remaining delay is kept.
        "arithmetic": Arithmetic,
    }
}

mapping! {
    /// What lint should know.
    LintFile {
        /// Warnings not to give.
        "allow" allow: List<Code>,
    }
}

/// Whether a trigger of that kind can be told from others yet: silence has no event before triggers may wait.
pub(crate) fn check_trigger(on: &At<EventKind>, log: &mut Log) {
    if on.get() == Some(&EventKind::ContactInactive) {
        let _: Option<()> = not_supported(on.at, "a trigger on `contact_inactive`", log);
    }
}
