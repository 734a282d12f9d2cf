//! When housekeeping works and when it rests. Time is paused: it moves on when all wait.

use super::*;
use crate::fakes::{World, away};

#[tokio::test(start_paused = true)]
async fn full_slices_follow_each_other_soon_and_the_rest_waits_a_minute() {
    let world = World::new();
    world.with(|state| state.expired = [Ok(SLICE), Ok(SLICE * 2), Ok(SLICE - 1), Err(away())].into());
    let stop = CancellationToken::new();
    let asked = async {
        world.until(|state| state.asked.len() == 5).await;
        stop.cancel();
    };

    futures::join!(run(world.deps(1), stop.clone()), asked);

    let asked = world.with(|state| state.asked.clone());
    let rests: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(rests, [BREATH, BREATH, PAUSE, PAUSE]);
}
