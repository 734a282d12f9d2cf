//! The client against a real socket, and the guard against a table of tricks. All traffic stays on loopback.

mod exchange;
mod guard;
mod server;
