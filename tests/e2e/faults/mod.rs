//! Faults: the built binary under load while something breaks, with an oracle that knows what was accepted.
//!
//! Every test runs a [`Load`](load::Load) of entries, replies, opt-outs, repeats and disorder, injects its fault, lets everything
//! drain, and then has the store and the CRM [accounted](accounts::settle_accounts) for: nothing accepted is lost, nothing is
//! doubled, nothing is sent after its exit, nothing is stuck. `make test` runs a bounded part of most and says which it leaves out;
//! `make test-faults` (`DRUMBEAT_FAULTS=full`) runs all of each. Each prints its seed, and `SEED=…` makes the same choices again.
//!
//! Servers that are to break are private ones. Recovery times are measured and printed; what is asserted of them is generous,
//! since the machine is shared with other tests.

mod accounts;
mod clocks;
mod crm;
mod disk;
mod kills;
mod load;
mod outages;
mod partitions;
mod poison;
mod rates;
mod servers;
mod stalls;

use std::sync::{Mutex, PoisonError};

use crate::deployment::{Deployment, Shape};
use servers::Servers;

/// One after the other: two would share the servers that they break.
static TURN: Mutex<()> = Mutex::new(());
/// Those that break one process have none to share, and mostly wait.
static TURN_OF_ONE: Mutex<()> = Mutex::new(());

/// How much of a test is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Within `make test`.
    Bounded,
    /// `make test-faults`.
    Full,
}

impl Scale {
    fn of_this_run() -> Self {
        match std::env::var("DRUMBEAT_FAULTS").as_deref() {
            Ok("full") => Self::Full,
            _ => Self::Bounded,
        }
    }

    /// One number or the other.
    pub(crate) fn of(self, bounded: usize, full: usize) -> usize {
        match self {
            Self::Bounded => bounded,
            Self::Full => full,
        }
    }
}

/// Choices that a seed decides (SplitMix64: the same for ever, on every machine).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True that often in a hundred.
    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// What a test of faults is given.
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) scale: Scale,
    pub(crate) dice: Dice,
}

/// Runs a test of faults, one at a time, with a seed that is printed.
fn trial<F: Future<Output = ()>>(name: &'static str, run: impl FnOnce(Trial) -> F) {
    in_turn(&TURN, name, run);
}

/// The same with one process on the embedded defaults, beside one on servers.
fn trial_of_one<F: Future<Output = ()>>(name: &'static str, run: impl FnOnce(Trial) -> F) {
    in_turn(&TURN_OF_ONE, name, run);
}

fn in_turn<F: Future<Output = ()>>(turn: &Mutex<()>, name: &'static str, run: impl FnOnce(Trial) -> F) {
    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = std::env::var("SEED").ok().filter(|text| !text.is_empty());
    let seed = seed.map_or_else(
        || u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap() % 1_000_000,
        |text| text.parse().expect("SEED is a number"),
    );
    let scale = Scale::of_this_run();
    eprintln!("{name}: SEED={seed} {scale:?}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let began = std::time::Instant::now();
    runtime.block_on(run(Trial { name, seed, scale, dice: Dice::new(seed) }));
    eprintln!("{name}: SEED={seed} passed in {} s", began.elapsed().as_secs());
}

/// The processes of two of each role.
pub(crate) const PAIRS: [&str; 6] =
    ["ingest", "enrollment", "dispatcher", "ingest-2", "enrollment-2", "dispatcher-2"];

impl Trial {
    /// Private servers for this trial; none where none can be had, which is written down.
    fn servers(&self) -> Option<Servers> {
        self.has_servers().then(|| Servers::start(self.name))
    }

    /// `make test` runs a part of the suite, in few minutes; what this one finds, others find there too.
    fn is_left_to_the_full_run(&self) -> bool {
        if self.scale == Scale::Bounded {
            crate::deployment::skipped(&format!("faults::{}: left to `make test-faults`", self.name));
        }
        self.scale == Scale::Bounded
    }

    fn has_servers(&self) -> bool {
        Shape::available(&format!("faults::{}", self.name)).len() > 1
    }

    /// Two of each role on these servers, started, with the content of the load applied. Where the store is, ingest is told wrong:
    /// it needs none.
    fn pairs(&self, servers: &Servers) -> Deployment {
        let mut it = Deployment::prepare(self.name, servers.shape());
        // Many requests under way, so that there is much to lose.
        it.reconfigure("[security]", "[dispatch]\nconcurrency = 64\n\n[security]");
        it.apply(load::CONTENT);
        for role in PAIRS {
            let nowhere = [("DRUMBEAT__STORE__URL", "postgres://nobody@127.0.0.1:9/none")];
            it.spawn_with(role, if role.starts_with("ingest") { &nowhere } else { &[] });
        }
        for role in PAIRS {
            it.wait_ready(role);
        }
        it
    }
}
