//! Load, decide, commit.

use std::sync::Arc;
use std::time::Duration;

use domain::event::TaskRef;
use domain::id::Workspace;
use domain::identity::IdentityKind;
use domain::input::{Input, TimerInput};
use domain::touch::TimerKind;
use ports::StoreError;
use ports::bus::{Message, Topic};
use ports::unit::Unit;

use super::mini::catalog;
use super::{Fixture, Mini, enrolled, events, form, keys};

pub async fn what_is_written_is_read_back(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let filled = form("e1", "Ada@Example.com", now);
    let uid = enrolled(&filled.event);
    store.run(events([filled.clone().input()]), Mini::new()).await.unwrap();

    let main = Workspace::main();
    let enrollment = store.enrollment(&main, uid).await.unwrap().expect("it was enrolled");
    let view = store.contact(&main, enrollment.contact).await.unwrap().expect("they are there");
    let world = store.view(&[view.touches[0].id], catalog()).await.unwrap();

    assert_eq!(view.contact.email.as_ref().map(domain::identity::Email::as_str), Some("ada@example.com"));
    assert_eq!(view.enrollments, std::slice::from_ref(&enrollment));
    assert_eq!(enrollment.entry.data.text("form"), Some("demo"));
    assert_eq!(view.timers.len(), 1);
    assert_eq!(view.decisions.len(), 1);
    assert_eq!(view.events, [filled.event]);
    assert_eq!(world.touches.get(&view.touches[0].id), Some(&view.touches[0]));
    assert_eq!(
        world.accounts.iter().next().and_then(|(_, account)| account.attributes.text("tier")),
        Some("a")
    );
}

pub async fn a_unit_of_many_takes_as_many_statements_as_a_unit_of_one(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let unit = |range: std::ops::Range<usize>| {
        let forms =
            range.clone().map(|n| form(&format!("e{n}"), &format!("c{n}@firm{n}.example"), now).input());
        let repeats = range.map(|n| form(&format!("r{n}"), &format!("c{n}@firm{n}.example"), now).input());
        events(forms.chain(repeats).collect::<Vec<_>>())
    };
    // Ids are fetched in blocks, now and then; the first unit fetches one.
    store.run(unit(0..1), Mini::new()).await.unwrap();

    let before = fixture.statements();
    store.run(unit(1..2), Mini::new()).await.unwrap();
    let one = fixture.statements() - before;
    store.run(unit(2..252), Mini::new()).await.unwrap();
    let many = fixture.statements() - before - one;

    assert_eq!(one, many);
    assert!(one <= 32, "{one} statements");
}

pub async fn a_panic_is_the_inputs_fault_and_writes_nothing(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let inputs = || [form("e1", "ada@example.com", now).input(), form("e2", "bob@example.com", now).input()];
    let poisoned = Arc::new(Mini { poison: Some("e2".to_owned()), ..Mini::default() });

    let refused = store.run(events(inputs()), poisoned).await;
    let healed = store.run(events(inputs()), Mini::new()).await.unwrap();

    assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
    assert_eq!((healed.fresh, healed.enrolled), (2, 2));
}

/// Panics before it folds anything, where the store asks what an event reaches.
struct Unreachable;

impl ports::unit::Fold for Unreachable {
    fn catalog(&self) -> Arc<domain::catalog::Catalog> {
        catalog()
    }

    fn reach(&self, _: &domain::input::EventInput) -> ports::unit::Reach {
        panic!("on purpose");
    }

    fn fold(
        &self,
        _: &mut domain::world::World,
        _: &[ports::unit::Admitted],
    ) -> Result<(), ports::unit::FoldError> {
        Ok(())
    }
}

pub async fn a_panic_outside_of_the_fold_is_refused_and_ends_nothing(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let filled = || events([form("e1", "ada@example.com", now).input()]);

    let refused = store.run(filled(), Arc::new(Unreachable)).await;
    let healed = store.run(filled(), Mini::new()).await.unwrap();

    assert!(matches!(refused, Err(StoreError::Rejected(_))), "{refused:?}");
    assert_eq!((healed.fresh, healed.enrolled), (1, 1));
}

pub async fn a_fold_gets_more_ids_when_it_needs_them(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let greedy = Arc::new(Mini { extra_ids: 1_000, ..Mini::default() });

    let report = store.run(events([form("e1", "ada@example.com", now).input()]), greedy).await.unwrap();

    assert_eq!(report.enrolled, 1);
}

fn waiting() -> Arc<Mini> {
    Arc::new(Mini { other_timer: Some(TimerKind::Wait), ..Mini::default() })
}

pub async fn a_timer_fires_once(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    store.run(events([form("e1", "ada@example.com", now).input()]), waiting()).await.unwrap();
    let due = store.due_timers(10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(store.next_timer(&[TimerKind::Wait]).await.unwrap(), Some(due[0].due_at));
    assert_eq!(store.next_timer(&[TimerKind::End]).await.unwrap(), None);

    let fired = store.run(events([Input::Timer(due[0].clone())]), Mini::new()).await.unwrap();
    let again = store.run(events([Input::Timer(due[0].clone())]), Mini::new()).await.unwrap();

    assert_eq!((fired.fresh, fired.ended), (1, 1));
    assert_eq!((again.fresh, again.ended), (0, 0));
    assert_eq!(store.due_timers(10).await.unwrap(), []);
}

pub async fn an_overtaken_timer_is_dropped(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    store.run(events([form("e1", "ada@example.com", now).input()]), waiting()).await.unwrap();
    let due = store.due_timers(10).await.unwrap().remove(0);
    let earlier =
        TimerInput { due_at: due.due_at.saturating_sub(Duration::from_secs(1)).unwrap(), ..due.clone() };
    let other = TimerInput { kind: TimerKind::End, ..due.clone() };

    let report = store.run(events([Input::Timer(earlier), Input::Timer(other)]), Mini::new()).await.unwrap();

    assert_eq!(report.fresh, 0);
    assert_eq!(store.due_timers(10).await.unwrap(), [due]);
}

pub async fn a_damaged_row_is_told_apart_from_a_damaged_store(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let people = ["ada@one.example", "bob@two.example"];
    store.run(events(people.map(|who| form(who, who, now).input())), Mini::new()).await.unwrap();
    fixture.tamper("update contacts set suppressions = 'garbled' where email = 'ada@one.example'").await;
    let again = |who: &str| form(&format!("again {who}"), who, now).input();

    let both = store.run(events(people.map(again)), Mini::new()).await;
    let ada = store.run(events([again(people[0])]), Mini::new()).await;
    let bob = store.run(events([again(people[1])]), Mini::new()).await.unwrap();

    assert!(matches!(both, Err(StoreError::Damaged(_))), "{both:?}");
    let Err(StoreError::Damaged(why)) = ada else { panic!("{ada:?}") };
    assert_eq!(why, "its suppression cannot be read: line 1 column 1", "no word of what is in it");
    assert_eq!(bob.fresh, 1, "and her event is not remembered as processed");
    fixture.tamper("update contacts set suppressions = (select min(suppressions) from contacts where email = 'bob@two.example')").await;
    assert_eq!(store.run(events([again(people[0])]), Mini::new()).await.unwrap().fresh, 1);

    fixture.tamper("alter table contacts rename column phone to number").await;
    let schema = store.run(events([form("e9", people[1], now).input()]), Mini::new()).await;
    assert!(matches!(schema, Err(StoreError::Inconsistent(_))), "no event is at fault: {schema:?}");
}

pub async fn a_timer_that_cannot_be_read_keeps_no_other_back(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let people = ["ada@one.example", "bob@two.example"];
    store.run(events(people.map(|who| form(who, who, now).input())), waiting()).await.unwrap();
    let due = store.due_timers(10).await.unwrap();
    assert_eq!(due.len(), 2);

    let spoil = format!("update timers set kind = 'sundial' where enrollment = {}", due[0].enrollment.0);
    fixture.tamper(&spoil).await;

    assert_eq!(store.due_timers(10).await.unwrap(), due[1..]);
}

pub async fn letters_go_out_with_the_offset(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let letter = Message {
        topic: Topic::DeadLetter,
        key: b"main:k".to_vec(),
        headers: [("ce_id".to_owned(), "1".to_owned())].into(),
        payload: vec![1, 2, 3].into(),
    };
    let unit = Unit { letters: vec![letter.clone()], ..Unit::default() };

    store.run(unit, Mini::new()).await.unwrap();

    let shards: Vec<_> = domain::id::Shard::all().collect();
    let heads = store.heads(&shards, 10).await.unwrap();
    let found = heads.into_values().flat_map(Result::unwrap);
    assert_eq!(found.map(|row| row.message).collect::<Vec<_>>(), [letter]);
}

pub async fn two_workspaces_never_meet(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let here = form("e1", "ada@example.com", now);
    let there = form("e1", "ada@example.com", now).in_workspace("brand-b");
    let (main, other) = (Workspace::main(), Workspace::new("brand-b").unwrap());
    let uids = (enrolled(&here.event), enrolled(&there.event));
    let mini = Mini::new();

    store.run(events([here.input()]), mini.clone()).await.unwrap();
    let report = store.run(events([there.clone().input()]), mini.clone()).await.unwrap();

    assert_eq!((report.fresh, report.enrolled), (1, 1));
    assert_eq!(mini.held().contacts, 0, "the other workspace's contact is not seen");
    let key = |workspace: &Workspace| keys().key(workspace, IdentityKind::Email, "ada@example.com");
    let mine = store.contact_by_identity(&key(&main)).await.unwrap().expect("they are there");
    let theirs = store.contact_by_identity(&key(&other)).await.unwrap().expect("they are there");
    assert_ne!(mine, theirs);
    assert_eq!(store.contact(&other, mine).await.unwrap(), None);
    assert_eq!(store.enrollment(&other, uids.0).await.unwrap(), None);
    assert!(store.enrollment(&other, uids.1).await.unwrap().is_some());
    assert_eq!(store.summary(&main).await.unwrap().contacts, 1);
    assert_eq!(store.decisions_after(&other, None, 10).await.unwrap().len(), 1);
    assert_eq!(
        store.event(&main, "website", there.event.digest).await.unwrap().map(|one| one.workspace),
        Some(main)
    );
}

pub async fn a_task_key_leads_to_its_touch_in_its_own_workspace_only(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let filled = form("e1", "ada@example.com", now);
    let uid = enrolled(&filled.event);
    store.run(events([filled.input()]), Mini::new()).await.unwrap();
    let main = Workspace::main();
    let contact = store.enrollment(&main, uid).await.unwrap().expect("it was enrolled").contact;
    let touch = store.contact(&main, contact).await.unwrap().expect("they are there").touches.remove(0);
    let named = |id: &str| {
        let mut form =
            form(id, "nobody@elsewhere.example", now).kind(domain::event::EventKind::TaskCompleted);
        form.event.subject = domain::identity::SubjectKeys::default();
        form.event.detail.task = Some(TaskRef::Key(touch.key));
        form
    };
    let mini = Mini::new();

    store.run(events([named("t1").input()]), mini.clone()).await.unwrap();
    let here = mini.held();
    store.run(events([named("t2").in_workspace("other").input()]), mini.clone()).await.unwrap();
    let there = mini.held();

    assert_eq!((here.touches, here.enrollments, here.contacts), (1, 1, 1));
    assert_eq!((there.touches, there.enrollments, there.contacts), (0, 0, 0));
}

pub async fn an_input_that_names_nothing_changes_nothing(fixture: &impl Fixture) {
    let store = fixture.open().await;
    let now = store.now().await.unwrap();
    let timer = TimerInput { enrollment: domain::id::EnrollmentId(1), kind: TimerKind::Wait, due_at: now };
    let settled = super::settle(domain::id::TouchId(1), 1, domain::touch::AttemptResult::Void, now);

    let report = store.run(events([Input::Timer(timer), settled]), Mini::new()).await.unwrap();

    assert_eq!((report.ended, report.touches_scheduled), (0, 0));
}
