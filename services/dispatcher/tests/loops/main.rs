//! The dispatcher's loops over the real store on a file, with a CRM of the test's own. Time stands still but for what
//! sleeps: a wait of minutes takes no time, and a loop that spins never gets anywhere.
#![expect(clippy::unwrap_used, reason = "tests: what fails fails the test")]

mod ahead;
mod commands;
mod crm;
mod limits;
mod outages;
mod ports_of;
mod retries;
mod stage;
mod upkeep;
