//! The loop of timers over the small world. Time is paused: it moves on when all wait.

use domain::id::EnrollmentId;
use domain::input::TimerInput;

use super::*;
use crate::fakes::{State, World};

fn timer(enrollment: i64) -> TimerInput {
    TimerInput { enrollment: EnrollmentId(enrollment), kind: TimerKind::Wait, due_at: Timestamp::UNIX_EPOCH }
}

async fn fire_until(world: &Arc<World>, holds: impl Fn(&State) -> bool) {
    let stop = CancellationToken::new();
    let held = async {
        world.until(holds).await;
        stop.cancel();
    };
    futures::join!(run(world.deps(1), stop.clone()), held);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_timer_is_tried_once_a_second_though_it_is_always_due() {
    let world = World::new();
    world.with(|state| state.stuck = vec![timer(1)]);

    fire_until(&world, |state| state.looks == 10).await;

    assert!(world.age() >= NAP * 9, "ten looks took {:?}", world.age());
}

#[tokio::test(start_paused = true)]
async fn a_stuck_timer_lets_its_neighbours_fire() {
    let world = World::new();
    world.with(|state| {
        state.stuck = vec![timer(1)];
        state.due = [(2..9).map(timer).collect()].into();
    });

    fire_until(&world, |state| state.looks == 2).await;

    // All eight, halves with the stuck one, and the stuck one alone: fewer than one by one.
    assert!(world.with(|state| state.runs) <= 8, "{} units", world.with(|state| state.runs));
}

#[tokio::test(start_paused = true)]
async fn full_slices_are_followed_at_once() {
    let world = World::new();
    let slice = || (0..).take(SLICE).map(timer).collect();
    world.with(|state| state.due = [slice(), slice(), slice(), vec![timer(1)]].into());

    fire_until(&world, |state| state.looks == 4).await;

    assert_eq!(world.age(), Duration::ZERO);
    assert_eq!(world.with(|state| state.runs), 4, "a unit a slice");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_not_asked_in_a_spin() {
    let world = World::new();
    world.with(|state| {
        state.due = (0..5).map(|_| vec![timer(1)]).collect();
        state.failures.extend((0..5).map(|_| crate::fakes::Failure::Error(crate::fakes::away())));
    });

    fire_until(&world, |state| state.looks == 6).await;

    assert!(world.age() >= NAP * 5, "six looks took {:?}", world.age());
}
