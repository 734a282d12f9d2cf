//! Links that fall silent: between one of two processes and its database or broker, and between dispatchers and the CRM.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::accounts::{self, Expected, Words};
use super::load::{CONTENT, Load};
use super::rates::told;
use super::servers::{Places, Servers};
use super::{PAIRS, trial};
use crate::deployment::Deployment;
use testkit::wires::{Cut, Wire};

/// A silence is noticed within fifteen seconds, and over within five; on a machine that others use too, no later than this.
const NOTICED: Duration = Duration::from_secs(40);
const HEALED: Duration = Duration::from_secs(45);

/// How long all links are silent in the end.
const ALL_AT_ONCE: Duration = Duration::from_secs(300);

/// A link, by the wire that it runs over, with the process whose readiness tells of it.
const LINKS: [(usize, &str, Option<&str>); 4] = [
    (0, "dispatcher-2 and its database", Some("dispatcher-2")),
    (1, "enrollment-2 and its database", Some("enrollment-2")),
    (2, "ingest-2, enrollment-2 and their broker", Some("ingest-2")),
    (3, "the dispatchers and the CRM", None),
];

/// Waits until a process is ready or not, and tells how long it took.
async fn until(it: &Deployment, (role, ready): (&str, bool), limit: Duration) -> Duration {
    let began = Instant::now();
    while it.is_ready(role) != ready {
        assert!(
            began.elapsed() <= limit,
            "{role} was not {} in time",
            if ready { "ready" } else { "unready" }
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

/// Waits until tasks get through to the CRM again, and tells how long it took.
async fn until_more(it: &Deployment, tasks: usize) -> Duration {
    let began = Instant::now();
    while it.crm.records().len() < tasks + 10 {
        assert!(began.elapsed() <= HEALED, "nothing gets through to the CRM");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

#[test]
fn links_that_fall_silent_lose_nothing_and_double_nothing() {
    trial("silence", async |trial| {
        if trial.is_left_to_the_full_run() || !trial.has_servers() {
            return;
        }
        let (broker, near) = Wire::unconnected().await;
        // Free until the broker takes it.
        let second = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let places = Places { second: Some((second, broker.port())), ..Places::default() };
        let servers = Servers::start_at(trial.name, &places);
        broker.connect(near, &format!("127.0.0.1:{second}"));
        let mut it = Deployment::prepare(trial.name, servers.shape());
        it.reconfigure("[security]", "[dispatch]\nconcurrency = 64\n\n[security]");
        let crm = it.crm.host();
        let wires = [
            Wire::to(servers.database()).await,
            Wire::to(servers.database()).await,
            broker,
            Wire::to(&crm).await,
        ];
        it.reconfigure(&crm, &wires[3].address());
        it.apply(CONTENT);
        let url = |wire: &Wire| it.store_url().replace(servers.database(), &wire.address());
        let (dispatcher, enrollment) = (url(&wires[0]), url(&wires[1]));
        let by_broker = ("DRUMBEAT__BUS__BROKERS", wires[2].address());
        for role in PAIRS {
            let by_broker = (by_broker.0, by_broker.1.as_str());
            match role {
                "ingest-2" => it.spawn_with(role, &[by_broker]),
                "enrollment-2" => it.spawn_with(role, &[by_broker, ("DRUMBEAT__STORE__URL", &enrollment)]),
                "dispatcher-2" => it.spawn_with(role, &[("DRUMBEAT__STORE__URL", &dispatcher)]),
                _ => it.spawn(role),
            }
        }
        for role in PAIRS {
            it.wait_ready(role);
        }
        let load = Load::start(it.senders(), trial.seed, 30);
        tokio::time::sleep(Duration::from_secs(3)).await;

        let (mut noticed, mut healed) = (Vec::new(), Vec::new());
        for (cut, lasts) in [(Cut::BothWays, 10), (Cut::Answers, 10), (Cut::BothWays, 60)] {
            for (wire, what, told_by) in LINKS {
                let began = Instant::now();
                wires[wire].set(cut);
                if let Some(role) = told_by {
                    noticed.push(Some(until(&it, (role, false), NOTICED).await));
                }
                tokio::time::sleep(Duration::from_secs(lasts).saturating_sub(began.elapsed())).await;
                accounts::nothing_is_stranded(&it);
                let tasks = it.crm.records().len();
                wires[wire].set(Cut::Whole);
                healed.push(Some(match told_by {
                    Some(role) => until(&it, (role, true), HEALED).await,
                    None => until_more(&it, tasks).await,
                }));
                eprintln!("  {what}: {cut:?} for {:.1} s", began.elapsed().as_secs_f64());
                for role in PAIRS {
                    assert!(!it.has_ended(role), "{role} ended:\n{}", it.log(role));
                }
                accounts::nothing_is_stranded(&it);
            }
        }
        for wire in &wires {
            wire.set(Cut::BothWays);
        }
        tokio::time::sleep(ALL_AT_ONCE).await;
        accounts::nothing_is_stranded(&it);
        let tasks = it.crm.records().len();
        for wire in &wires {
            wire.set(Cut::Whole);
        }
        for role in PAIRS {
            healed.push(Some(until(&it, (role, true), HEALED).await));
        }
        healed.push(Some(until_more(&it, tasks).await));
        eprintln!("  all of them at once: for {} s", ALL_AT_ONCE.as_secs());
        // What nobody will ever answer is given up, and begun anew elsewhere.
        for (wire, what, _) in LINKS {
            wires[wire].forget();
            eprintln!("  {what}: forgotten");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        eprintln!("  silence noticed: {}", told(&noticed));
        eprintln!("  ready again after it: {}", told(&healed));

        let book = load.end().await;
        // A dispatcher that heard nothing was taken for dead, and speaks again.
        let expected = Expected { words: Words::MayComeLate, ..Expected::default() };
        accounts::settle_accounts(&it, &book, expected).await;
        it.finish();
    });
}
