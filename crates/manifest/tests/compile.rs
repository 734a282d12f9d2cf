//! What files come to: every construct of the language that this release carries, as the domain's values.

use std::collections::BTreeMap;

use domain::cadence::{
    Cadence, Completion, ExitEffect, ExitScope, Guard, OnConflict, Outcome, Overdue, OverdueAction,
    PauseLength, Reentry, Step, StepBody, Target, ZoneRule,
};
use domain::catalog::{Standing, TemplateSpec};
use domain::event::EventKind;
use domain::id::{CalendarName, Class, StepId, VersionId, Workspace};
use domain::time::{DayCounting, Days, Slot, Span, TimeOfDay, Window, WindowPatch};
use domain::touch::Channel;
use manifest::{
    Compiled, Content, Document, Kind, Known, Source, Stored, Version, compile, content, load, parse,
};

fn version() -> Version {
    Version { id: VersionId(7), number: 3 }
}

fn documents(text: &str) -> Vec<(Document, Version)> {
    let parsed = parse(&Source::new("a.yaml", text));
    assert!(parsed.is_sound(), "{:#?}", parsed.diagnostics);
    parsed.documents.into_iter().map(|document| (document, version())).collect()
}

fn compiled(text: &str) -> Vec<Compiled> {
    let (compiled, diagnostics) = compile(&documents(text), &Known::new());
    let said: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    compiled
}

/// The cadence of a spec, written without its indentation.
fn cadence(spec: &str) -> Cadence {
    let spec: String = spec.lines().fold(String::new(), |all, line| all + "  " + line + "\n");
    let steps = if spec.contains("steps:") { "" } else { "  steps: [ { id: hello, channel: email } ]\n" };
    let text = format!(
        "apiVersion: drumbeat/v1\nkind: Cadence\nmetadata: {{ name: demo, labels: {{ type: inbound }} }}\nspec:\n{spec}{steps}"
    );
    match compiled(&text).remove(0).content {
        Content::Cadence(cadence) => *cadence,
        other => panic!("{other:?}"),
    }
}

fn span(text: &str) -> Span {
    Span::parse(text).expect("a span")
}

fn step_id(text: &str) -> StepId {
    StepId::new(text).expect("an id")
}

fn to_step(text: &str) -> Target {
    Target::Step(step_id(text))
}

fn slot(days: &[&str], from: &str, to: &str) -> Slot {
    let time = |text| TimeOfDay::parse_end(text).expect("a time");
    Slot::new(Days::parse(days).expect("days"), time(from), time(to)).expect("a slot")
}

#[test]
fn a_cadence_that_says_little_has_the_defaults() {
    let cadence = cadence("");

    assert_eq!((cadence.version, cadence.number, cadence.name.as_str()), (VersionId(7), 3, "demo"));
    assert_eq!(cadence.labels, BTreeMap::from([("type".to_owned(), "inbound".to_owned())]));
    assert_eq!((cadence.priority, cadence.class), (50, Some(Class::default_class())));
    assert!(cadence.connector.is_inbox() && cadence.window.is_none() && cadence.entry.is_none());
    assert_eq!((cadence.zone, cadence.days), (ZoneRule::Contact, DayCounting::Calendar));
    assert_eq!((cadence.end.wait.is_zero(), cadence.end.outcome), (true, Outcome::Stopped));
    assert_eq!(cadence.pause.out_of_office, span("7d"));
    assert!(cadence.guards.has(Guard::Email) && !cadence.guards.has(Guard::Phone));
    let step = &cadence.steps[0];
    assert_eq!((step.max_visits, &step.next), (3, &Target::Next));
    assert_eq!(step.touch().expect("a touch").completion, None);
}

#[test]
fn the_head_of_a_cadence() {
    let cadence = cadence(
        "reason: Asked\npriority: 80\nexclusive: none\nzone: { fixed: europe/berlin }\ndays: business\nrecord: contact\n\
         mode: live\nspacing: keep\npause: { arithmetic: keep, out_of_office: 3d }\n\
         guards: { phone: on, exclusive: off }\noverdue: { after: 2bd, then: skip }\nend: { wait: 5d, outcome: nurture }\n\
         limits: { gap: 2h, per_contact: { max: 3, per: 7d, channel: email }, per_owner: [ { max: 50, per: 1d }, { max: 9, per: 1h } ] }",
    );

    assert_eq!((cadence.reason.as_deref(), cadence.priority, &cadence.class), (Some("Asked"), 80, &None));
    assert_eq!(
        (cadence.zone, cadence.days),
        (ZoneRule::Fixed("Europe/Berlin".into()), DayCounting::Business)
    );
    assert!(cadence.guards.has(Guard::Phone) && !cadence.guards.has(Guard::Exclusive));
    assert_eq!(cadence.overdue, Some(Overdue { after: span("2bd"), then: OverdueAction::Skip }));
    assert_eq!((cadence.end.wait, cadence.end.outcome), (span("5d"), Outcome::Nurture));
    assert_eq!(cadence.pause.out_of_office, span("3d"));
    assert_eq!(cadence.limits.gap, Some(span("2h")));
    let caps: Vec<_> = cadence.limits.per_contact.iter().chain(&cadence.limits.per_owner).collect();
    let said: Vec<_> = caps.iter().map(|cap| (cap.quota.max(), cap.quota.per(), cap.channel)).collect();
    let email = Some(Channel::Email);
    assert_eq!(said, [(3, span("7d"), email), (50, span("1d"), None), (9, span("1h"), None)]);
}

#[test]
fn a_zone_to_fall_back_on() {
    assert_eq!(cadence("zone: America/New_York").zone, ZoneRule::Preferring("America/New_York".into()));
}

#[test]
fn windows_in_every_form() {
    let office = slot(&["mon", "tue"], "09:00", "17:30");
    let late = slot(&["wed"], "12:00", "24:00");

    let of = |window: &str| cadence(window).window;

    assert_eq!(of("window: any"), Some(Window::Any));
    let one = of("window: { days: [mon, tue], from: \"09:00\", to: \"17:30\" }");
    assert_eq!(one, Some(Window::weekly(vec![office]).expect("slots")));
    let two = of(
        "window:\n  - { days: [mon, tue], from: \"09:00\", to: '17:30' }\n  - { days: [wed], from: \"12:00\", to: \"24:00\" }",
    );
    assert_eq!(two, Some(Window::weekly(vec![office, late]).expect("slots")));
}

#[test]
fn a_step_replaces_only_the_keys_of_the_window_that_it_names() {
    let steps = cadence(
        "steps:\n  - { id: a, channel: call, window: any }\n  - { id: b, channel: call, window: { to: \"12:00\" } }\n  \
         - { id: c, channel: call, window: [ { days: [mon], from: \"09:00\", to: \"10:00\" } ] }",
    )
    .steps;

    let patches: Vec<_> =
        steps.iter().map(|step| step.touch().and_then(|touch| touch.window.clone())).collect();
    let noon = TimeOfDay::parse("12:00").ok();
    let monday = Window::weekly(vec![slot(&["mon"], "09:00", "10:00")]).expect("slots");
    assert_eq!(
        patches,
        [
            Some(WindowPatch::Replace(Window::Any)),
            Some(WindowPatch::Keys { days: None, from: None, to: noon }),
            Some(WindowPatch::Replace(monday)),
        ]
    );
}

#[test]
fn entry_goal_exits_and_jumps() {
    let cadence = cadence(
        "goal: { on: replied, when: event.classification == \"positive\" }\nentry:\n  triggers:\n    \
         - { on: form_submitted, when: event.form == \"demo\" }\n    - { on: list_added }\n  \
         audience: contact.country in [\"US\"]\n  reentry: { after: 90d }\n  on_conflict: refuse\nexit:\n  \
         - { on: deal_opened, scope: account, outcome: disqualify }\n  - { on: replied, scope: others, effect: pause, for: 14d }\n  \
         - { on: replied, effect: pause, until: event.until }\n  \
         - { on: replied, effect: pause, until: \"2026-12-24T09:00:00Z\" }\n  - { on: left_company, effect: ignore }\n  \
         - { when: contact.stage == \"customer\" }\non: [ { event: page_visited, when: event.page == \"/pricing\", goto: hello } ]",
    );

    let goal = cadence.goal.expect("a goal");
    assert_eq!((goal.on, goal.when.is_some()), (EventKind::Replied, true));
    let entry = cadence.entry.expect("an entry");
    let kinds: Vec<_> = entry.triggers.iter().map(|trigger| (trigger.on, trigger.when.is_some())).collect();
    assert_eq!(kinds, [(EventKind::FormSubmitted, true), (EventKind::ListAdded, false)]);
    assert_eq!((entry.reentry, entry.on_conflict), (Reentry::After(span("90d")), OnConflict::Refuse));
    assert_eq!(entry.audience.expect("an audience").source(), "contact.country in [\"US\"]");
    let christmas = "2026-12-24T09:00:00Z".parse().expect("a moment");
    let exit = |outcome| ExitEffect::Exit { outcome };
    let rules: Vec<_> = cadence.exit.iter().map(|rule| (rule.on, rule.scope, rule.effect.clone())).collect();
    assert_eq!(
        rules,
        [
            (Some(EventKind::DealOpened), ExitScope::Account, exit(Outcome::Disqualify)),
            (Some(EventKind::Replied), ExitScope::Others, ExitEffect::Pause(PauseLength::For(span("14d")))),
            (Some(EventKind::Replied), ExitScope::Contact, ExitEffect::Pause(PauseLength::UntilEvent)),
            (Some(EventKind::Replied), ExitScope::Contact, ExitEffect::Pause(PauseLength::Until(christmas))),
            (Some(EventKind::LeftCompany), ExitScope::Contact, ExitEffect::Ignore),
            (None, ExitScope::Contact, exit(Outcome::Stopped)),
        ]
    );
    assert_eq!((cadence.on[0].event, &cadence.on[0].goto), (EventKind::PageVisited, &to_step("hello")));
}

const STEPS: &str = "steps:
  - id: call
    channel: call
    day: 2
    at: \"15:00\"
    after: 5m
    when: contact.phone != \"\"
    purpose: Ask
    cta: Book
    due_within: 1d
    completion: automatic
    approval: none
    outcomes: { connected: end, wrong_number: mail, no_answer: next }
    overdue: { after: 10m, then: goto, to: mail }
    on: [ { event: email_clicked, goto: split } ]
    max_visits: 1
  - { id: mail, channel: email }
  - { id: wait, wait_for: { event: email_opened, when: event.url == \"/a\", of: mail, up_to: 2d, then: split, else: end } }
  - { id: split, branch: [ { when: contact.score >= 90, goto: end }, { when: true, goto: mail } ], next: end }
  - { id: again, channel: email, reply_to: mail, next: end }";

fn step(steps: &[Step], id: &str) -> Step {
    steps.iter().find(|step| step.id == step_id(id)).expect("the step").clone()
}

#[test]
fn a_touch_with_everything() {
    let steps = cadence(STEPS).steps;

    let call = step(&steps, "call");
    let touch = call.touch().expect("a touch");
    assert_eq!((touch.timing.day, touch.timing.after), (Some(2), Some(span("5m"))));
    assert_eq!(touch.timing.at, TimeOfDay::parse("15:00").ok());
    assert_eq!((touch.purpose.as_deref(), touch.cta.as_deref()), (Some("Ask"), Some("Book")));
    assert_eq!((touch.due_within, touch.completion), (Some(span("1d")), Some(Completion::Automatic)));
    assert_eq!(
        touch.overdue,
        Some(Overdue { after: span("10m"), then: OverdueAction::Goto(to_step("mail")) })
    );
    let outcomes =
        [("connected", Target::End), ("no_answer", Target::Next), ("wrong_number", to_step("mail"))];
    assert_eq!(touch.outcomes, outcomes.map(|(name, target)| (name.to_owned(), target)).into());
    assert_eq!((call.max_visits, call.when.is_some()), (1, true));
    assert_eq!((call.on[0].event, &call.on[0].goto), (EventKind::EmailClicked, &to_step("split")));
    let again = step(&steps, "again");
    assert_eq!(again.touch().expect("a touch").reply_to, Some(step_id("mail")));
}

#[test]
fn waits_and_branches() {
    let steps = cadence(STEPS).steps;

    let StepBody::Wait(wait) = step(&steps, "wait").body else { panic!("no wait") };
    assert_eq!(
        (wait.event, wait.of, wait.up_to),
        (EventKind::EmailOpened, Some(step_id("mail")), span("2d"))
    );
    assert_eq!((wait.then, wait.otherwise, wait.when.is_some()), (to_step("split"), Target::End, true));
    let split = step(&steps, "split");
    assert_eq!(split.next, Target::End);
    let StepBody::Branch(ways) = split.body else { panic!("no branch") };
    let ways: Vec<_> = ways.iter().map(|way| (way.when.source(), &way.goto)).collect();
    assert_eq!(ways, [("contact.score >= 90", &Target::End), ("true", &to_step("mail"))]);
}

#[test]
fn next_as_a_target_is_the_next_of_the_step() {
    let steps = cadence(
        "steps:\n  - { id: a, channel: call, next: d, outcomes: { done: next }, overdue: { after: 1d, then: goto, to: next } }\n  \
         - { id: b, wait_for: { event: replied, up_to: 2d, then: a }, next: end }\n  \
         - { id: c, branch: [ { when: contact.customer, goto: next } ], next: a }\n  - { id: d, channel: call }",
    )
    .steps;

    let call = steps[0].touch().expect("a touch");
    assert_eq!(call.outcomes["done"], to_step("d"));
    assert_eq!(call.overdue, Some(Overdue { after: span("1d"), then: OverdueAction::Skip }));
    let StepBody::Wait(wait) = &steps[1].body else { panic!("no wait") };
    assert_eq!((&wait.then, &wait.otherwise), (&to_step("a"), &Target::End));
    let StepBody::Branch(ways) = &steps[2].body else { panic!("no branch") };
    assert_eq!(ways[0].goto, to_step("a"));
}

const OTHERS: &str = "apiVersion: drumbeat/v1
kind: Template
metadata: { name: short }
spec: { channel: email, subject: \"{{ contact.first_name }}\", text: Hello, html: <p>Hello</p>, requires: [contact.email] }
---
apiVersion: drumbeat/v1
kind: Template
metadata: { name: said }
spec: { channel: call, script: Ask }
---
apiVersion: drumbeat/v1
kind: Segment
metadata: { name: big, workspace: west }
spec: { when: account.size >= 1000 }
---
apiVersion: drumbeat/v1
kind: Calendar
metadata: { name: ours }
spec: { closed: [ \"2026-12-24\", { from: \"2026-12-27\", to: \"2026-12-31\" } ] }
---
apiVersion: drumbeat/v1
kind: Cadence
metadata: { name: demo }
spec:
  holidays: [ours]
  steps:
    - { id: a, channel: email, variants: { x: { template: short, weight: 3 }, y: {} } }
    - { id: b, channel: call, script: said }
";

#[test]
fn templates_segments_calendars_and_their_users() {
    let compiled = compiled(OTHERS);

    let templates: Vec<&TemplateSpec> = compiled
        .iter()
        .filter_map(
            |one| if let Content::Template(template) = &one.content { Some(&**template) } else { None },
        )
        .collect();
    assert_eq!((templates[0].channel, templates[0].version), (Channel::Email, VersionId(7)));
    assert!(templates[0].subject.is_some() && templates[0].text.is_some() && templates[0].html.is_some());
    assert_eq!(templates[0].requires, ["contact.email"]);
    assert_eq!(templates[1].text.as_ref().map(domain::template::Template::source), Some("Ask"));
    let Content::Segment(name, when) = &compiled[2].content else { panic!("no segment") };
    assert_eq!(
        (name.as_str(), when.source(), compiled[2].workspace.as_str()),
        ("big", "account.size >= 1000", "west")
    );
    let Content::Calendar(calendar) = &compiled[3].content else { panic!("no calendar") };
    let closed: Vec<_> = calendar.closed().iter().map(ToString::to_string).collect();
    assert_eq!(closed, ["2026-12-24", "2026-12-27 to 2026-12-31"]);
    let Content::Cadence(cadence) = &compiled[4].content else { panic!("no cadence") };
    assert_eq!(cadence.holidays, [CalendarName::new("ours").expect("a name")]);
    let arms: Vec<_> = cadence.steps[0].touch().expect("a touch").variants.iter().collect();
    let said: Vec<_> =
        arms.iter().map(|(name, arm)| (name.as_str(), arm.template.is_some(), arm.weight)).collect();
    assert_eq!(said, [("x", true, 3), ("y", false, 1)]);
    assert!(cadence.steps[1].touch().expect("a touch").template.is_some());
}

#[test]
fn a_name_of_another_workspace_is_no_name_here() {
    let text = OTHERS.replace("metadata: { name: ours }", "metadata: { name: ours, workspace: west }");

    let (compiled, diagnostics) = compile(&documents(&text), &Known::new());

    assert_eq!((compiled.len(), diagnostics.len()), (4, 1));
    assert!(diagnostics[0].message.contains("no calendar `ours` in the workspace `main`"));
}

#[test]
fn an_anchor_may_be_used_again() {
    let steps = cadence(
        "window: &office { days: [mon], from: \"09:00\", to: \"17:00\" }\nsteps:\n  - { id: a, channel: call, window: *office }",
    );

    assert_eq!(steps.window.map(|window| window.to_string()).as_deref(), Some("mon 09:00-17:00"));
}

#[test]
fn what_is_known_need_not_be_in_the_files() {
    let text = "apiVersion: drumbeat/v1\nkind: Cadence\nmetadata: { name: demo }\nspec:\n  goal: meeting_booked\n  \
                steps: [ { id: a, channel: call, script: said, when: 'segment(\"big\")' } ]\n";
    let mut known = Known::new();
    for (document, _) in documents(&OTHERS.replace(", workspace: west", "")) {
        known.add(&document);
    }

    assert!(load(&[Source::new("a.yaml", text)], &known).diagnostics.is_empty());
    assert_eq!(load(&[Source::new("a.yaml", text)], &Known::new()).diagnostics.len(), 2);
}

#[test]
fn an_allowed_warning_is_not_given() {
    let text = |allow: &str| {
        format!(
            "apiVersion: drumbeat/v1\nkind: Cadence\nmetadata: {{ name: demo }}\nspec:\n  {allow}\n  \
             window: {{ days: [mon], from: 09:00, to: \"17:00\" }}\n  steps: [ {{ id: a, channel: call, when: contact.own }} ]\n"
        )
    };
    let codes = |allow: &str| -> Vec<_> {
        let loaded = load(&[Source::new("a.yaml", text(allow))], &Known::new());
        loaded.diagnostics.iter().map(|found| found.code.as_str()).collect()
    };

    assert_eq!(codes("mode: live"), ["no_exit", "unquoted_time", "undeclared_attribute"]);
    assert_eq!(codes("lint: { allow: [unquoted_time, undeclared_attribute] }"), ["no_exit"]);
}

fn stored(kind: Kind, name: &str, text: &str, version: Version, standing: Standing) -> Stored {
    Stored { workspace: Workspace::main(), kind, name: name.into(), text: text.into(), version, standing }
}

#[test]
fn a_stored_text_that_went_wrong_takes_no_other_down() {
    let good = "apiVersion: drumbeat/v1\nkind: Cadence\nmetadata: { name: good }\nspec: { steps: [ { id: a, channel: call } ] }";
    let bad = good.replace("good", "bad").replace("channel: call", "channel: smoke");
    let texts = [
        stored(Kind::Cadence, "bad", &bad, version(), Standing::Active),
        stored(Kind::Cadence, "good", good, Version { id: VersionId(8), number: 1 }, Standing::Draining),
        stored(Kind::Cadence, "good", good, Version { id: VersionId(9), number: 2 }, Standing::Active),
    ];

    let contents = content(&texts);

    let main = &contents.workspaces[&Workspace::main()];
    assert_eq!((main.cadences.len(), main.active.len()), (2, 1));
    assert_eq!(contents.diagnostics.len(), 1);
    assert_eq!(contents.diagnostics[0].file, "main/Cadence/bad@3");
}

#[test]
fn a_stored_cadence_whose_template_is_gone_still_loads() {
    let text = "apiVersion: drumbeat/v1\nkind: Cadence\nmetadata: { name: a }\nspec:\n  \
                steps: [ { id: a, channel: call, script: gone, when: 'segment(\"gone\")' } ]";

    let contents = content(&[stored(Kind::Cadence, "a", text, version(), Standing::Active)]);

    assert!(contents.diagnostics.is_empty(), "{:?}", contents.diagnostics);
}
