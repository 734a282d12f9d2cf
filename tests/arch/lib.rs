//! The architecture, held by tests: which of our crates may see which, which third-party crates stay behind which fence,
//! and how files are named, sized and laid out. Nothing here ships, and nothing here runs the engine.
//!
//! A failure names the crate or file and the rule. Change the rule here only together with the design it stands for
//! (ARCHITECTURE.md, `deny.toml`).

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod fences;
#[cfg(test)]
mod files;
#[cfg(test)]
mod workspace;
