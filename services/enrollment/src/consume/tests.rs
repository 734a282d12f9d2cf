//! The loop of events over the small world. Time is paused: it moves on when all wait.

use ports::StoreError;

use super::*;
use crate::fakes::{Failure, World, away, log};

/// Runs the loop over a log until something holds.
async fn consume_until(world: &Arc<World>, holds: impl Fn(&crate::fakes::State) -> bool) {
    let stop = CancellationToken::new();
    let held = async {
        world.until(holds).await;
        stop.cancel();
    };
    futures::join!(run(world.deps(1), Settings { batch: 100, beside: 4 }, stop.clone()), held);
}

fn applied(world: &World) -> Vec<String> {
    world.with(|state| state.applied.clone())
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_another_process_overtook_is_discarded_and_reading_goes_on_where_it_is_stored() {
    let world = World::new();
    world.with(|state| {
        state.log = log(&["a", "b", "c", "d"]);
        state.failures.push_back(Failure::Overtaken(2));
    });

    consume_until(&world, |state| state.noted == [4]).await;

    assert_eq!(applied(&world), ["c", "d"], "what the other one did is not done again");
    assert_eq!(world.with(|state| state.seeks.clone()), [2]);
    assert!(world.age() >= BREATH, "it rested before it tried again");
}

#[tokio::test(start_paused = true)]
async fn a_contact_that_does_not_hold_still_is_tried_again_and_never_set_aside() {
    let world = World::new();
    let restless = || Failure::Error(StoreError::Contended("it kept growing".to_owned()));
    world.with(|state| {
        state.log = log(&["a"]);
        state.failures.extend([restless(), restless(), restless()]);
    });

    consume_until(&world, |state| state.noted == [1]).await;

    assert_eq!((applied(&world), world.with(|state| state.dead)), (vec!["a".to_owned()], 0));
    assert!(world.age() >= BREATH * 3);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_for_and_sets_nothing_aside() {
    let world = World::new();
    let schema = || StoreError::Inconsistent("the schema is another one".to_owned());
    world.with(|state| {
        state.log = log(&["a", "b", "c"]);
        state.failures.extend([away(), away(), schema(), away()].map(Failure::Error));
    });

    consume_until(&world, |state| state.noted == [3]).await;

    assert_eq!(applied(&world), ["a", "b", "c"]);
    assert!(world.with(|state| state.letters.is_empty() && state.dead == 0));
    assert!(world.age() >= PATIENCE * 4 && world.age() < PATIENCE * 8, "{:?}", world.age());
    let troubles = world.with(|state| state.troubles.clone());
    assert_eq!(troubles.iter().filter(|why| why.is_some()).count(), 4, "readiness was told each time");
    assert_eq!(troubles.last(), Some(&None), "and that it is over");
}

#[tokio::test(start_paused = true)]
async fn a_missing_topic_is_told_of_until_it_is_there_and_to_have_joined_is_not_enough() {
    let world = World::new();
    world.with(|state| {
        state.log = log(&["a"]);
        state.missing = 3;
    });

    consume_until(&world, |state| state.noted == [1]).await;

    let troubles = world.with(|state| state.troubles.clone());
    assert!(troubles[..3].iter().all(Option::is_some) && troubles[3].is_none(), "{troubles:?}");
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_event_and_what_is_no_event_go_to_the_dead_letters_and_the_others_in_order() {
    let world = World::new();
    world.with(|state| {
        state.log = log(&["a", "b", "garbled", "c", "d"]);
        state.poison.insert("c".to_owned());
    });

    consume_until(&world, |state| state.noted == [5]).await;

    assert_eq!(applied(&world), ["a", "b", "d"]);
    let letters = world.with(|state| std::mem::take(&mut state.letters));
    let places: Vec<i64> = letters
        .iter()
        .map(|letter| <contracts::DeadLetter as contracts::Wire>::from_bytes(&letter.payload).unwrap().offset)
        .collect();
    assert_eq!(places, [2, 3]);
    assert_eq!(world.with(|state| (state.dead, state.stored)), (2, Some(5)));
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_when_the_process_is_to_stop_is_ended() {
    let world = World::new();
    world.with(|state| {
        state.log = log(&["a", "b"]);
        state.held = true;
    });
    let stop = CancellationToken::new();
    let stopping = async {
        world.until(|state| state.runs == 1).await;
        stop.cancel();
        world.with(|state| state.held = false);
    };

    futures::join!(run(world.deps(1), Settings { batch: 100, beside: 4 }, stop.clone()), stopping);

    assert_eq!(applied(&world), ["a", "b"]);
    assert_eq!(world.with(|state| (state.noted.clone(), state.closed)), (vec![2], 1));
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_an_outage_to_end() {
    let world = World::new();
    world.with(|state| {
        state.log = log(&["a", "b"]);
        state.failures.extend((0..1_000).map(|_| Failure::Error(away())));
    });

    consume_until(&world, |state| state.runs == 3).await;

    assert_eq!(world.with(|state| (state.runs, state.stored, state.closed)), (3, None, 1));
    assert!(applied(&world).is_empty(), "the next start reads them again");
    assert!(world.with(|state| state.noted.is_empty()), "and nobody was told otherwise");
}

/// Records of a partition beside those of the first one.
fn elsewhere(partition: i32, ids: &[&str]) -> Vec<Record> {
    let mut records = log(ids);
    records.iter_mut().for_each(|record| record.position.partition = partition);
    records
}

#[tokio::test(start_paused = true)]
async fn what_is_there_of_all_partitions_is_one_transaction() {
    let world = World::new();
    world.with(|state| {
        state.log = [log(&["a", "b"]), elsewhere(1, &["x", "y"]), elsewhere(2, &["p"])].concat();
    });

    consume_until(&world, |state| state.noted.len() == 3).await;

    assert_eq!(applied(&world), ["a", "b", "x", "y", "p"]);
    assert_eq!(world.with(|state| (state.runs, state.stored)), (1, Some(2)));
    assert_eq!(world.with(|state| state.elsewhere.clone()), BTreeMap::from([(1, Some(2)), (2, Some(1))]));
}

#[tokio::test(start_paused = true)]
async fn partitions_of_a_backlog_are_worked_on_beside_each_other_and_each_in_its_order() {
    let world = World::new();
    world.with(|state| {
        state.log = [log(&["a", "b"]), elsewhere(1, &["x", "y"])].concat();
        state.held = true;
    });
    let stop = CancellationToken::new();
    let both = async {
        world.until(|state| state.runs == 2).await;
        world.with(|state| state.held = false);
        world.until(|state| state.noted.len() == 2).await;
        stop.cancel();
    };

    futures::join!(run(world.deps(1), Settings { batch: 2, beside: 4 }, stop.clone()), both);

    let mut applied = applied(&world);
    applied.sort();
    assert_eq!(applied, ["a", "b", "x", "y"]);
    assert_eq!(world.with(|state| (state.stored, state.elsewhere[&1])), (Some(2), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_at_one_partition_makes_all_of_its_transaction_go_on_from_what_is_stored() {
    let world = World::new();
    world.with(|state| {
        state.log = [log(&["a", "b", "c"]), elsewhere(1, &["x", "y"])].concat();
        state.failures.push_back(Failure::Overtaken(2));
    });

    consume_until(&world, |state| state.stored == Some(3) && state.noted.len() == 2).await;

    assert_eq!(
        applied(&world),
        ["c", "x", "y"],
        "what the other one did is not done again, what nobody did is"
    );
    assert_eq!(world.with(|state| state.seeks.clone()), [2, 0], "each to where it is stored");
    assert_eq!(world.with(|state| (state.runs, state.elsewhere[&1])), (2, Some(2)), "once more is enough");
    assert!(world.age() >= BREATH, "it rested before it tried again");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_went_to_another_member_before_its_transaction_began_is_left_to_it() {
    let world = World::new();
    world.with(|state| {
        state.log = [log(&["a", "b"]), elsewhere(1, &["x", "y"])].concat();
        state.revoked = Some(0);
    });

    consume_until(&world, |state| state.elsewhere.get(&1) == Some(&Some(2)) && !state.noted.is_empty()).await;

    assert_eq!(applied(&world), ["x", "y"]);
    assert_eq!(
        world.with(|state| (state.stored, state.noted.clone(), state.seeks.clone())),
        (None, vec![2], vec![])
    );
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_event_is_found_among_several_partitions() {
    let world = World::new();
    world.with(|state| {
        state.log = [log(&["a", "garbled", "b"]), elsewhere(1, &["x", "y", "z"])].concat();
        state.poison.insert("y".to_owned());
    });

    consume_until(&world, |state| state.noted.len() == 2).await;

    assert_eq!(applied(&world), ["a", "b", "x", "z"]);
    let letters = world.with(|state| std::mem::take(&mut state.letters));
    let place = |letter: &ports::bus::Message| {
        let letter = <contracts::DeadLetter as contracts::Wire>::from_bytes(&letter.payload).unwrap();
        (letter.partition, letter.offset)
    };
    assert_eq!(letters.iter().map(place).collect::<Vec<_>>(), [(0, 1), (1, 1)]);
    assert_eq!(world.with(|state| (state.dead, state.stored, state.elsewhere[&1])), (2, Some(3), Some(3)));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_of_a_batch_that_has_to_come_again_is_not_applied_before_it() {
    let world = World::new();
    let restless = || Failure::Error(StoreError::Contended("it kept growing".to_owned()));
    world.with(|state| {
        state.log = log(&["a", "b", "c", "d"]);
        // Both halves of the first batch, too.
        state.failures.extend((0..3).map(|_| restless()));
    });
    let stop = CancellationToken::new();
    let held = async {
        world.until(|state| state.stored == Some(4)).await;
        stop.cancel();
    };

    futures::join!(run(world.deps(1), Settings { batch: 2, beside: 4 }, stop.clone()), held);

    assert_eq!(applied(&world), ["a", "b", "c", "d"]);
}
