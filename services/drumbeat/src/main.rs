//! `drumbeat`: every role of the engine and its command line, in one binary.
//!
//! This crate only wires: it reads the configuration, builds adapters, hands them to the services as ports, and turns
//! what people type into calls of `engine`. It decides nothing.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line speaks to the person who typed"
)]

mod bench;
mod cli;
mod commands;
mod demo;
mod exit;
mod output;
mod wiring;

use clap::Parser as _;

/// A unit of events makes and drops some hundred thousand small values; with the allocator of the system that was a third of
/// its work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let cli = cli::Cli::parse();
    exit::report(commands::run(cli))
}
