//! A CRM over HTTP that remembers, and that can be told to misbehave.
//!
//! It honours idempotency keys like a good CRM does, the same key again giving the same record, or ignores them when told
//! so. What it kept and every request that came in, in the order of arrival, can be read at any time, so that a test can
//! count records and compare bytes; how many requests were open at once is counted too.

mod server;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use state::{Call, Fault, Keys, Record};

use state::State;

/// A running CRM. It stops when dropped.
pub struct FakeCrm {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    handle: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FakeCrm {
    /// Starts one on a free port of this machine.
    #[must_use]
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (address, handle, thread) = server::start(Arc::clone(&state));
        Self { address, state, handle, thread: Some(thread) }
    }

    /// What to write as a connector's `base_url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// `host:port`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What keys mean from now on.
    pub fn treat_keys(&self, keys: Keys) {
        self.state().keys = keys;
    }

    /// Holds answers back from now on: requests are carried out, and stay open until [`Self::release`].
    pub fn hold(&self) {
        self.state().held.send_replace(true);
    }

    /// Lets go of all answers held back.
    pub fn release(&self) {
        self.state().held.send_replace(false);
    }

    /// How many requests of any kind wait for their answer now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.state().open
    }

    /// The most that ever waited at once.
    #[must_use]
    pub fn most_open(&self) -> usize {
        self.state().most_open
    }

    /// From now on, each of the next `times` requests that create a task meets this fault.
    pub fn misbehave(&self, fault: Fault, times: usize) {
        self.state().script.extend(std::iter::repeat_n(fault, times));
    }

    /// Misbehaves in one of every `n` creating requests, at random places that `seed` decides, until told `None`.
    pub fn misbehave_often(&self, often: Option<(Vec<Fault>, u64, u64)>) {
        self.state().often =
            often.map(|(faults, one_of, seed)| state::Often { faults, one_of, seed, seen: 0 });
    }

    /// The records that it holds, withdrawn ones too, in the order of their making.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.state().records.clone()
    }

    /// Every request that came in, in the order of arrival, those too whose sender is gone.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The record of a key.
    #[must_use]
    pub fn record(&self, key: &str) -> Option<Record> {
        self.state().records.iter().find(|record| record.key == key).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeCrm {
    fn drop(&mut self) {
        // Told from outside of its runtime; the thread ends with the server.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            drop(thread);
        }
    }
}
