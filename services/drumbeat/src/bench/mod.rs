//! (being written)
use crate::cli::{BenchArgs, Global};
use crate::exit::Outcome;
pub(crate) async fn run(_: &Global, _: &BenchArgs) -> Outcome { Ok(()) }
