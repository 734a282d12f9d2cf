//! Addresses for processes under test.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below what systems hand out to clients and to port 0 (on Linux from 32,768 on).
const FIRST: u32 = 10_000;
const COUNT: u32 = 5_000;

/// An address of this machine that nobody listens on now, and that no other test of this process was given. The system does not
/// hand it out by itself, so it stays free until a process is started there, and while that process is down.
#[must_use]
pub fn free_address() -> String {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let address = format!("127.0.0.1:{}", FIRST + number % COUNT);
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}
