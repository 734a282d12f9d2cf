//! The broker and the database stop, die and come back under load.

use std::time::Duration;

use jiff::Timestamp;

use super::accounts::{self, Expected};
use super::load::{Book, Load};
use super::rates::{around, recovered, resident, told};
use super::servers::Servers;
use super::{PAIRS, Scale, trial};
use crate::deployment::Deployment;

/// Posted in a second.
const EVENTS: u32 = 30;
/// And sent on: of ten events six are entries, most with three touches.
const SENT: f64 = 45.0;

/// Ingest answers within two seconds; on a machine that others use too, no later than this.
const ANSWER: Duration = Duration::from_secs(4);
/// At least so many posts begin and end within each outage of the broker.
const REFUSALS: usize = 8;
/// As before within five seconds of a server's return; on a machine that others use too, no later than this.
const RECOVERY: Duration = Duration::from_secs(45);
/// What an outage may cost a process, in MiB.
const GROWTH: u64 = 64;

/// How long things go their usual way before an outage: what is measured against.
async fn quiet() {
    tokio::time::sleep(Duration::from_secs(4)).await;
}

/// Waits until requests go out at the usual rate again.
async fn back_to_usual(it: &Deployment, (gone, back): (Timestamp, Timestamp)) {
    it.eventually("sending as before", || {
        std::thread::sleep(Duration::from_millis(200));
        recovered(&mut accounts::calls_at(it), (gone, back), SENT)
    })
    .await;
}

/// While the broker was away: nothing accepted, each answered with the overload code in time.
fn refused_in_time(book: &Book, outages: &[(Timestamp, Timestamp)]) {
    let during = |post: &&super::load::Post| {
        let ended = post.began + post.took;
        outages.iter().any(|(gone, back)| post.began >= *gone && ended <= *back)
    };
    let posts: Vec<_> = book.posts.iter().filter(during).collect();
    assert!(!posts.is_empty(), "nothing was posted while the broker was away");
    for post in &posts {
        assert_eq!(post.status, Some(503), "while the broker was away: {post:?}");
        assert!(post.retry_after.is_some(), "without Retry-After: {post:?}");
    }
    let slowest = posts.iter().map(|post| post.took).max().unwrap();
    eprintln!("  broker away: {} posts answered 503, the slowest after {slowest:?}", posts.len());
    assert!(slowest <= ANSWER, "an answer took {slowest:?}");
}

/// While the database was away, events were taken as ever: [`Trial::pairs`](super::Trial::pairs) gives ingest none.
pub(super) fn taken_meanwhile(book: &Book, outages: &[(Timestamp, Timestamp)]) {
    for (gone, back) in outages {
        let during: Vec<_> = book.posts.iter().filter(|post| (*gone..*back).contains(&post.began)).collect();
        let taken = during.iter().filter(|post| post.status == Some(202)).count();
        // A broker on a busy machine may not acknowledge in time.
        assert!(taken * 10 >= during.len() * 9 && taken > 0, "of {} posts {taken} were taken", during.len());
    }
}

fn sizes(it: &Deployment) -> Vec<(&'static str, u64)> {
    PAIRS.iter().map(|role| (*role, resident(it.pid(role)))).collect()
}

fn grew_little(it: &Deployment, before: &[(&'static str, u64)]) {
    let after = sizes(it);
    eprintln!(
        "  MiB before and after: {:?}",
        before.iter().zip(&after).map(|(b, a)| (b.0, b.1, a.1)).collect::<Vec<_>>()
    );
    for ((role, before), (_, after)) in before.iter().zip(after) {
        assert!(after <= before + GROWTH, "{role} grew from {before} to {after} MiB");
    }
}

/// Nobody ended: an outage is waited for.
fn everybody_lives(it: &mut Deployment) {
    for role in PAIRS {
        assert!(!it.has_ended(role), "{role} ended:\n{}", it.log(role));
    }
}

fn recovery((what, offered): (&str, f64), times: &mut [Timestamp], outages: &[(Timestamp, Timestamp)]) {
    let found: Vec<_> = outages.iter().map(|outage| recovered(times, *outage, offered)).collect();
    eprintln!("  {what} back at 95 % of its rate: {}", told(&found));
    for (recovery, (_, back)) in found.iter().zip(outages) {
        eprintln!("    a second each, from 5 s before the return: {:?}", around(times, *back, (5, 15)));
        assert!(recovery.is_some_and(|took| took <= RECOVERY), "{what} did not recover: {recovery:?}");
    }
}

#[test]
fn a_broker_that_stops_and_dies_loses_nothing_that_was_acknowledged() {
    trial("broker", async |mut trial| {
        let Some(servers) = trial.servers() else { return };
        let mut it = trial.pairs(&servers);
        let load = Load::start(it.senders(), trial.seed, EVENTS);
        quiet().await;
        let before = sizes(&it);

        let mut outages = Vec::new();
        for _ in 0..trial.scale.of(1, 20) {
            let verb = if trial.dice.percent(50) { "kill" } else { "down" };
            let gone = Timestamp::now();
            servers.kafka(verb);
            let away = Timestamp::now();
            tokio::time::sleep(Duration::from_millis(1_000 + trial.dice.below(3_000) as u64)).await;
            // A refusal takes up to two seconds: an outage without a whole one in it would show nothing.
            it.eventually("refusals", || (load.answered_since(away) >= REFUSALS).then_some(())).await;
            let returning = Timestamp::now();
            servers.kafka("up");
            eprintln!(
                "  broker: {verb}, away for {:.1} s",
                Timestamp::now().duration_since(gone).as_secs_f64()
            );
            outages.push((gone, away, returning, Timestamp::now()));
            back_to_usual(&it, (gone, Timestamp::now())).await;
            everybody_lives(&mut it);
            quiet().await;
        }

        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        let away: Vec<_> = outages.iter().map(|(_, away, returning, _)| (*away, *returning)).collect();
        refused_in_time(&book, &away);
        let whole: Vec<_> = outages.iter().map(|(gone, _, _, back)| (*gone, *back)).collect();
        recovery(("ingest", f64::from(EVENTS)), &mut book.accepted_at(), &whole);
        recovery(("sending", SENT), &mut accounts::calls_at(&it), &whole);
        grew_little(&it, &before);
        it.finish();
    });
}

#[test]
fn a_database_that_crashes_and_drops_connections_loses_nothing_and_dead_letters_nothing() {
    trial("database", async |mut trial| {
        let Some(servers) = trial.servers() else { return };
        let mut it = trial.pairs(&servers);
        let load = Load::start(it.senders(), trial.seed, EVENTS);
        quiet().await;
        let before = sizes(&it);

        let mut outages = Vec::new();
        for _ in 0..trial.scale.of(1, 20) {
            let verb = if trial.dice.percent(50) { "immediate" } else { "kill" };
            let gone = Timestamp::now();
            servers.postgres(verb);
            tokio::time::sleep(Duration::from_millis(500 + trial.dice.below(4_000) as u64)).await;
            servers.postgres("up");
            outages.push((gone, Timestamp::now()));
            eprintln!(
                "  database: {verb}, away for {:.1} s",
                Timestamp::now().duration_since(gone).as_secs_f64()
            );
            back_to_usual(&it, (gone, Timestamp::now())).await;
            everybody_lives(&mut it);
            accounts::nothing_is_stranded(&it);
            quiet().await;
        }
        let gone = Timestamp::now();
        terminate(&servers, trial.scale).await;
        outages.push((gone, Timestamp::now()));
        back_to_usual(&it, (gone, Timestamp::now())).await;
        everybody_lives(&mut it);

        let book = load.end().await;
        accounts::settle_accounts(&it, &book, Expected::default()).await;
        taken_meanwhile(&book, &outages);
        recovery(("sending", SENT), &mut accounts::calls_at(&it), &outages);
        grew_little(&it, &before);
        it.finish();
    });
}

/// Ends every connection, ten times a second.
async fn terminate(servers: &Servers, scale: Scale) {
    let until = std::time::Instant::now() + Duration::from_secs(scale.of(2, 60) as u64);
    let mut ended = 0;
    while std::time::Instant::now() < until {
        let ask = "select count(pg_terminate_backend(pid)) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
        ended += servers.ask(ask).unwrap().trim().parse::<usize>().unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!("  database: {ended} connections ended");
}
