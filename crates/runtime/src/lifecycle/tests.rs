use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;
use crate::health::Status;

type Outcome = Result<(), &'static str>;

struct Fixture {
    lifecycle: Lifecycle,
    readiness: Readiness,
    signal: mpsc::Sender<&'static str>,
    signals: mpsc::Receiver<&'static str>,
}

fn fixture() -> Fixture {
    let readiness = Readiness::new();
    readiness.set("bus", Status::Ready);
    let (signal, signals) = mpsc::channel(4);
    Fixture { lifecycle: Lifecycle::new(readiness.clone(), Budget::default()), readiness, signal, signals }
}

fn death(task: &'static str, why: &str) -> Failed {
    Failed { deaths: vec![Death { task, why: why.to_owned() }], stuck: Vec::new() }
}

#[tokio::test]
async fn a_signal_ends_a_well_behaved_process_without_error() {
    let Fixture { lifecycle, readiness, signal, signals } = fixture();
    let (shutdown, tasks) = (lifecycle.shutdown(), lifecycle.tasks());
    let seen = readiness.clone();
    tasks.component("consumer", async move {
        shutdown.soft().await;
        assert!(!seen.report().ready, "readiness turns false first");
        Outcome::Ok(())
    });

    signal.send("SIGTERM").await.expect("it is listened to");

    assert_eq!(lifecycle.run_until(signals).await, Ok(()));
    assert!(readiness.report().draining);
}

#[tokio::test]
async fn the_end_can_be_asked_for_from_within() {
    let Fixture { lifecycle, signals, .. } = fixture();
    let shutdown = lifecycle.shutdown();

    shutdown.begin();

    assert_eq!(lifecycle.run_until(signals).await, Ok(()));
    assert!(shutdown.is_soft() && shutdown.is_hard());
}

#[tokio::test]
async fn a_component_that_fails_ends_the_process_with_an_error() {
    let Fixture { lifecycle, signals, .. } = fixture();
    let (shutdown, tasks) = (lifecycle.shutdown(), lifecycle.tasks());
    tasks.component("other", async move {
        shutdown.soft().await;
        Outcome::Ok(())
    });

    tasks.component("consumer", async { Err("the broker is gone") });

    let failed = lifecycle.run_until(signals).await.expect_err("it failed");
    assert_eq!(failed, death("consumer", "failed: the broker is gone"));
    assert_eq!(failed.to_string(), "consumer failed: the broker is gone");
}

#[tokio::test]
async fn a_component_that_ends_early_ends_the_process_with_an_error() {
    let Fixture { lifecycle, signals, .. } = fixture();

    lifecycle.tasks().component("consumer", async { Outcome::Ok(()) });

    assert_eq!(lifecycle.run_until(signals).await, Err(death("consumer", "ended without being asked to")));
}

#[tokio::test]
async fn a_panic_of_any_task_ends_the_process_with_an_error() {
    let Fixture { lifecycle, signals, .. } = fixture();

    let task = lifecycle.tasks().spawn("send", async { panic!("a mistake") });

    assert_eq!(task.await, Err::<(), _>(Died("send")));
    assert_eq!(lifecycle.run_until(signals).await, Err(death("send", "panicked")));
}

#[tokio::test]
async fn a_panic_on_a_blocking_thread_ends_the_process_with_an_error() {
    let Fixture { lifecycle, signals, .. } = fixture();

    drop(lifecycle.tasks().spawn_blocking("writer", || panic!("a mistake")));

    assert_eq!(lifecycle.run_until(signals).await, Err(death("writer", "panicked")));
}

#[tokio::test]
async fn tasks_give_their_results_back() {
    let tasks = Tasks::detached();

    assert_eq!(tasks.spawn("one", async { 1 }).await, Ok(1));
    assert_eq!(tasks.spawn_blocking("two", || 2).await, Ok(2));
    assert_eq!(tasks.running(), [""; 0]);
    assert_eq!(tasks.deaths(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_finished_within_the_budget() {
    let Fixture { lifecycle, signals, .. } = fixture();
    let (shutdown, finished) = (lifecycle.shutdown(), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&finished);
    drop(lifecycle.tasks().spawn("send", async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        flag.store(true, Ordering::SeqCst);
    }));

    shutdown.begin();

    assert_eq!(lifecycle.run_until(signals).await, Ok(()));
    assert!(finished.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_told_to_give_up() {
    let Fixture { lifecycle, signals, .. } = fixture();
    let (shutdown, tasks) = (lifecycle.shutdown(), lifecycle.tasks());
    let view = shutdown.clone();
    tasks.component("dispatcher", async move {
        view.hard().await;
        Outcome::Ok(())
    });
    let begun = Instant::now();

    shutdown.begin();

    assert_eq!(lifecycle.run_until(signals).await, Ok(()));
    assert_eq!(begun.elapsed(), Budget::default().drain);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_give_up_is_named_and_left_within_ten_seconds() {
    let Fixture { lifecycle, signals, .. } = fixture();
    let (shutdown, tasks) = (lifecycle.shutdown(), lifecycle.tasks());
    drop(tasks.spawn("deaf", std::future::pending::<()>()));
    drop(tasks.spawn("deaf", std::future::pending::<()>()));
    tasks.support("admin", std::future::pending::<Outcome>());
    let begun = Instant::now();

    shutdown.begin();

    let failed = lifecycle.run_until(signals).await.expect_err("it is stuck");
    assert_eq!(failed, Failed { deaths: Vec::new(), stuck: vec!["deaf"] });
    assert_eq!(failed.to_string(), "did not end in time: deaf");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_hurries_it() {
    let Fixture { lifecycle, signal, signals, .. } = fixture();
    let (shutdown, begun) = (lifecycle.shutdown(), Instant::now());
    lifecycle.tasks().component("dispatcher", async move {
        shutdown.hard().await;
        Outcome::Ok(())
    });

    signal.send("SIGINT").await.expect("it is listened to");
    signal.send("SIGINT").await.expect("it is listened to");

    assert_eq!(lifecycle.run_until(signals).await, Ok(()));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn support_tasks_run_until_the_others_are_gone() {
    let Fixture { lifecycle, signals, .. } = fixture();
    let (shutdown, tasks) = (lifecycle.shutdown(), lifecycle.tasks());
    let (order, mut ended) = mpsc::unbounded_channel();
    let (view, told) = (shutdown.clone(), order.clone());
    tasks.support("admin", async move {
        view.drained().await;
        told.send("admin").map_err(|_| "nobody listens")
    });
    let view = shutdown.clone();
    tasks.component("ingest", async move {
        view.soft().await;
        tokio::task::yield_now().await;
        order.send("ingest").map_err(|_| "nobody listens")
    });

    shutdown.begin();

    assert_eq!(lifecycle.run_until(signals).await, Ok(()));
    assert_eq!((ended.recv().await, ended.recv().await), (Some("ingest"), Some("admin")));
}

#[tokio::test]
async fn a_task_spawned_during_the_drain_is_waited_for() {
    let Fixture { lifecycle, signals, .. } = fixture();
    let (shutdown, tasks) = (lifecycle.shutdown(), lifecycle.tasks());
    let (settled, result) = oneshot::channel();
    let view = shutdown.clone();
    let spawner = tasks.clone();
    tasks.component("dispatcher", async move {
        view.soft().await;
        drop(spawner.spawn("settle", async move {
            tokio::task::yield_now().await;
            settled.send(()).expect("the test waits");
        }));
        Outcome::Ok(())
    });

    shutdown.begin();

    assert_eq!(lifecycle.run_until(signals).await, Ok(()));
    assert_eq!(result.await, Ok(()));
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_and_sigint_are_heard() {
    let (heard, mut signals) = mpsc::channel(4);
    let listening = signals::listen(heard);
    tokio::pin!(listening);
    let kill = |signal: &str| {
        let sent =
            std::process::Command::new("kill").args([signal, &std::process::id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    };
    // The first poll installs the handlers; before it a signal would end the test.
    assert!(is_waiting(&mut listening).await);

    for (flag, name) in [("-TERM", "SIGTERM"), ("-INT", "SIGINT")] {
        kill(flag);
        let signal = tokio::select! {
            signal = signals.recv() => signal,
            never = &mut listening => match never {},
        };
        assert_eq!(signal, Some(name));
    }
}

/// Polls once and says whether the future is still waiting.
#[cfg(unix)]
async fn is_waiting<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
    })
    .await
}
