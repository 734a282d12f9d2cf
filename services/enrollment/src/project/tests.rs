//! The projection over the small world. Time is paused: it moves on when all wait.

use contracts::Published as _;
use domain::event::Event;
use domain::touch::Note;
use ports::bus::Position;

use super::*;
use crate::fakes::{Failure, State, World, away, event, log};

/// Dead letters of these events, and one that nobody can read, as records of their topic.
fn letters(ids: &[&str]) -> Vec<Record> {
    let mut records = log(ids);
    for (record, id) in records.iter_mut().zip(ids) {
        let position = Position { topic: Topic::DeadLetter, ..record.position };
        let event: Event = event(id);
        let letter = DeadLetter {
            workspace: Some(Workspace::main()),
            payload: event.to_bytes(),
            key: event.key(),
            headers: record.headers.clone(),
            error: Note::new("unprocessable", "it cannot be folded"),
            attempts: 1,
            failed_at: jiff::Timestamp::UNIX_EPOCH,
            topic: "events".to_owned(),
            partition: 0,
            offset: 7,
        };
        let payload = if *id == "garbled" { record.payload.clone() } else { letter.to_bytes() };
        *record = Record { position, payload, ..record.clone() };
    }
    records
}

async fn project_until(world: &Arc<World>, holds: impl Fn(&State) -> bool) {
    let stop = CancellationToken::new();
    let held = async {
        world.until(holds).await;
        stop.cancel();
    };
    futures::join!(run(world.deps(1), stop.clone()), held);
}

fn places(world: &World) -> Vec<String> {
    world.with(|state| state.projected.iter().map(|row| row.place.clone()).collect())
}

#[tokio::test(start_paused = true)]
async fn what_was_set_aside_comes_into_view_and_what_cannot_be_read_keeps_nothing_back() {
    let world = World::new();
    world.with(|state| state.log = letters(&["a", "garbled", "b"]));

    project_until(&world, |state| state.stored == Some(3)).await;

    assert_eq!(places(&world), ["deadletter/0/0", "deadletter/0/2"]);
    assert_eq!(world.with(|state| state.projected[0].source.clone()), "forms");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_for_and_skips_nothing() {
    let world = World::new();
    world.with(|state| {
        state.log = letters(&["a", "b"]);
        state.failures.extend([away(), away()].map(Failure::Error));
    });

    project_until(&world, |state| state.stored == Some(2)).await;

    assert_eq!(places(&world), ["deadletter/0/0", "deadletter/0/1"]);
    assert_eq!(
        world.with(|state| state.seeks.clone()),
        [0, 0],
        "read again from where nothing is stored yet"
    );
    assert!(world.age() >= PATIENCE * 2);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_projected_is_not_projected_again() {
    let world = World::new();
    world.with(|state| {
        state.log = letters(&["a", "b", "c"]);
        state.failures.push_back(Failure::Overtaken(2));
    });

    project_until(&world, |state| state.stored == Some(3)).await;

    assert_eq!(places(&world), ["deadletter/0/2"]);
    assert_eq!(world.with(|state| state.seeks.clone()), [2]);
}
