//! (being written)
use crate::cli::Global;
use crate::exit::Outcome;
pub(crate) async fn alone(_: &Global) -> Outcome { Ok(()) }
pub(crate) async fn then_stay_up(_: &Global) -> Outcome { Ok(()) }
