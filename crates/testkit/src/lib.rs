//! What tests of several crates share: the conformance suites of the store and the bus, which every adapter of a port
//! passes, a CRM over HTTP that remembers and misbehaves on demand, wires that fall silent, and addresses to listen on.
//!
//! A dev-dependency only: it never ships, and it never decides what is right. The suites say what a port promises, in terms
//! of that port alone.

pub mod addresses;
pub mod bus;
pub mod crm;
pub mod store;
pub mod wires;
