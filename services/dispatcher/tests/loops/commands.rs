//! Withdrawals.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::touch::TouchState;
use ports::connector::ConnectorError;
use ports::dispatch::CommandResult;

use crate::crm::{Asked, Crm, Reply};
use crate::stage::{Running, Setting, Stage, pass};

/// Opens a task for each, and ends their enrollments.
async fn withdrawn(stage: &Stage, crm: &Arc<Crm>, people: usize) -> Running {
    stage.cadence(crm_name(crm), "").await;
    let running = stage.start(&[crm]);
    for place in 0..people {
        stage.enroll(&who(place)).await;
    }
    for place in 0..people {
        stage.until_state(&who(place), TouchState::Open).await;
    }
    running
}

fn crm_name(crm: &Arc<Crm>) -> &str {
    ports::connector::Connector::name(&**crm).as_str()
}

fn who(place: usize) -> String {
    format!("c{place}@example.com")
}

fn answers(stage: &Stage) -> Vec<CommandResult> {
    stage.notes.answers.lock().unwrap().iter().map(|(_, result)| result.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_task_is_taken_back_with_its_id() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    let remote_id = stage.touch(&who(0)).await.remote_id;

    stage.opt_out(&who(0)).await;
    stage.until("it is done", || answers(&stage).len() == 1).await;

    assert_eq!(crm.asked().last(), Some(&Asked::Withdraw { remote_id }));
    assert_eq!(answers(&stage), [CommandResult::Done]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn commands_that_wait_for_what_a_mark_holds_do_not_keep_the_mark_from_ending() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    stage.notes.slow_marks.lock().unwrap().push(Duration::from_secs(5));

    stage.enroll(&who(1)).await;
    stage.until("the mark holds", || stage.notes.slow_marks.lock().unwrap().is_empty()).await;
    stage.opt_out(&who(0)).await;
    let both = async {
        stage.until("the task is taken back", || answers(&stage).len() == 1).await;
        stage.until_state(&who(1), TouchState::Open).await;
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), both).await;

    assert!(ended.is_ok(), "each waits for the other");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_marked_starts_while_commands_are_long_in_coming() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    stage.notes.slow_marks.lock().unwrap().push(Duration::from_millis(100));
    stage.notes.slow_commands.lock().unwrap().push(Duration::from_secs(1));

    stage.enroll(&who(1)).await;
    stage.until("the mark holds", || stage.notes.slow_marks.lock().unwrap().is_empty()).await;
    stage.opt_out(&who(0)).await;
    stage.until("the task is taken back", || answers(&stage).len() == 1).await;
    let touch = stage.until_state(&who(1), TouchState::Open).await;

    assert!(stage.notes.slow_commands.lock().unwrap().is_empty(), "nothing was slow");
    assert_eq!(touch.attempt, 1, "its mark was good for a quarter of a second");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_due_is_looked_for_and_marked_while_commands_are_long_in_coming() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    stage.notes.slow_commands.lock().unwrap().push(Duration::from_secs(20));

    stage.opt_out(&who(0)).await;
    stage.until("they are asked for", || stage.notes.slow_commands.lock().unwrap().is_empty()).await;
    stage.enroll(&who(1)).await;
    stage.until_state(&who(1), TouchState::Open).await;

    assert_eq!(answers(&stage).len(), 0, "they came in the meantime");
    stage.until("the task is taken back", || answers(&stage).len() == 1).await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_withdrawal_is_tried_for_about_a_day_and_then_given_up() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    crm.always(Reply::Fails(ConnectorError::Transient("down".to_owned())));

    stage.opt_out(&who(0)).await;
    let is_given_up = || matches!(answers(&stage).last(), Some(CommandResult::GivenUp(_)));
    let mut tries = 0;
    while !is_given_up() {
        tries += 1;
        assert!(tries < 200, "never given up");
        stage.until("it was tried", || answers(&stage).len() >= tries).await;
        // Longer than the longest back-off.
        stage.clock.jump(Duration::from_secs(23 * 60));
    }
    pass(10).await;

    let all = stage.notes.answers.lock().unwrap().clone();
    let whole = all.last().unwrap().0.duration_since(all[0].0);
    assert!((24 * 60..24 * 60 + 30).contains(&whole.as_mins()), "{whole:?}");
    assert_eq!(crm.withdrawals(), all.len(), "it is not tried any more");
    let last = answers(&stage).pop();
    assert_eq!(last, Some(CommandResult::GivenUp("the CRM cannot take it now: down".to_owned())));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_waited_for_a_day_has_its_day_from_its_first_failure_on() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    let day = Duration::from_hours(25);
    let wait = Reply::Fails(ConnectorError::RateLimited { retry_after: Some(day) });
    let down = || Reply::Fails(ConnectorError::Transient("down".to_owned()));
    crm.replies([wait, down(), down(), down()]);

    stage.opt_out(&who(0)).await;
    stage.until("it was told to wait", || answers(&stage).len() == 1).await;
    stage.clock.jump(day);
    stage
        .until("it is over", || {
            matches!(answers(&stage).last(), Some(CommandResult::Done | CommandResult::GivenUp(_)))
        })
        .await;

    assert_eq!((answers(&stage).pop(), crm.withdrawals()), (Some(CommandResult::Done), 5));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn having_to_wait_is_never_a_reason_to_give_up() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    let wait = || ConnectorError::RateLimited { retry_after: Some(Duration::from_secs(2)) };
    crm.replies(std::iter::repeat_with(|| Reply::Fails(wait())).take(150));
    // More answers than tries are made: the first failure after them is the first try that counts.
    crm.replies([Reply::Fails(ConnectorError::Transient("down".to_owned()))]);

    stage.opt_out(&who(0)).await;
    stage.until("it is done", || answers(&stage).last() == Some(&CommandResult::Done)).await;

    assert_eq!(crm.withdrawals(), 152);
    let times = crm.times();
    let apart = times[1..=151].windows(2).all(|two| two[1] - two[0] >= Duration::from_secs(2));
    assert!(apart, "it waits as long as it was told: {times:?}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_withdrawal_is_given_up_at_once() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    crm.replies([Reply::Fails(ConnectorError::Rejected("HTTP 422".to_owned()))]);

    stage.opt_out(&who(0)).await;
    stage.until("it is given up", || !answers(&stage).is_empty()).await;
    pass(60).await;

    assert_eq!(answers(&stage), [CommandResult::GivenUp("HTTP 422".to_owned())]);
    assert_eq!(crm.withdrawals(), 1);
    assert_eq!(stage.notes.left.lock().unwrap().len(), 1, "it is counted");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn withdrawals_keep_to_the_concurrency_and_are_leased_longer_than_they_take() {
    let stage = Stage::new().await;
    let mut crm = stage.crm();
    crm.traits.concurrency = 2;
    let crm = Arc::new(crm);
    let running = withdrawn(&stage, &crm, 7).await;
    crm.always(Reply::after(Duration::from_secs(9), Reply::Fine));

    for place in 0..7 {
        stage.opt_out(&who(place)).await;
    }
    stage.until("all are done", || answers(&stage).len() == 7).await;

    assert_eq!(crm.withdrawals(), 7, "none was given out twice");
    assert_eq!(crm.most_at_once(), 2);
    assert!(stage.notes.taken_at_once.load(Ordering::Relaxed) <= 2, "what is taken is begun at once");
    // Twice the time-out of five seconds and a second, and thirty.
    let leases = stage.notes.leases.lock().unwrap().clone();
    assert!(leases.iter().all(|lease| *lease == Duration::from_secs(41)), "{leases:?}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_to_wait_withdraws_nothing_meanwhile() {
    let stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    let throttled = ConnectorError::RateLimited { retry_after: Some(Duration::from_secs(20)) };
    crm.replies([Reply::Fails(throttled)]);
    stage.enroll("late@example.com").await;
    stage.until("it was told to wait", || crm.creations() == 2).await;
    let told = *crm.times().last().unwrap();

    stage.opt_out(&who(0)).await;
    stage.until("it is done", || answers(&stage).len() == 1).await;

    let withdrawn = crm.asked().iter().position(|one| matches!(one, Asked::Withdraw { .. })).unwrap();
    assert!(crm.times()[withdrawn] - told >= Duration::from_secs(20));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn withdrawals_go_first_and_touches_go_too() {
    let stage = Stage::new().await;
    let mut crm = stage.crm();
    crm.traits.concurrency = 1;
    let crm = Arc::new(crm);
    let running = withdrawn(&stage, &crm, 6).await;
    running.end().await;
    for place in 0..6 {
        stage.opt_out(&who(place)).await;
        stage.enroll(&format!("n{place}@example.com")).await;
    }

    let running = stage.start(&[&crm]);
    stage.until("all went", || crm.asked().len() == 18).await;

    let kinds: Vec<bool> = crm.asked()[6..].iter().map(|one| matches!(one, Asked::Withdraw { .. })).collect();
    assert!(kinds[0], "a withdrawal goes first: {kinds:?}");
    let balance = kinds.iter().scan(0_i32, |balance, is_withdrawal| {
        *balance += if *is_withdrawal { 1 } else { -1 };
        Some(*balance)
    });
    assert!(balance.clone().all(|balance| (-2..=2).contains(&balance)), "then they take turns: {kinds:?}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_crm_does_not_delay_the_withdrawals_of_another() {
    let stage = Stage::new().await;
    let slow = Arc::new(Crm::new("slow", &stage.clock));
    let running = withdrawn(&stage, &slow, 9).await;
    running.end().await;
    let crm = Arc::new(stage.crm());
    stage.cadence("crm", "").await;
    let running = stage.start(&[&crm]);
    stage.enroll("ada@example.com").await;
    stage.until("both are there", || crm.creations() == 1).await;
    running.end().await;
    slow.always(Reply::Never);
    for place in 0..9 {
        stage.opt_out(&who(place)).await;
    }
    stage.opt_out("ada@example.com").await;
    let began = stage.notes.count("beat");

    let running = stage.start(&[&slow, &crm]);
    stage.until("the quick one is done", || crm.withdrawals() == 1).await;

    assert!(stage.notes.count("beat") - began <= 2, "within a second or two");
    running.ask_to_stop();
    stage.until("the drain is over", || running.is_over()).await;
}

#[tokio::test(start_paused = true)]
async fn commands_nobody_signals_are_looked_for_with_a_breath_between() {
    let stage = Stage::set(Setting { poll: Some(Duration::from_millis(20)), ..Setting::default() }).await;
    let crm = Arc::new(stage.crm());

    let running = stage.start(&[&crm]);
    pass(6).await;

    let looks = stage.notes.count("commands");
    assert!((30..=42).contains(&looks), "{looks} in six seconds");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_dispatcher_that_sends_nothing_still_withdraws() {
    let mut stage = Stage::new().await;
    let crm = Arc::new(stage.crm());
    let running = withdrawn(&stage, &crm, 1).await;
    running.end().await;
    stage.settings.sending = dispatcher::Sending::Disabled;
    stage.enroll("late@example.com").await;
    stage.opt_out(&who(0)).await;

    let running = stage.start(&[&crm]);
    stage.until("it is done", || answers(&stage).len() == 1).await;
    pass(3).await;

    assert_eq!((crm.creations(), crm.withdrawals()), (1, 1));
    running.end().await;
}
